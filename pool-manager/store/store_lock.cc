// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/store_lock.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "pool-manager/store/state_store.h"

namespace farlane::pool {
namespace {

std::string HolderOf(int file) {
  char text[32];
  const ssize_t got = pread(file, text, sizeof text, 0);
  std::string digits;
  for (ssize_t i = 0; i < got && text[i] >= '0' && text[i] <= '9'; ++i) {
    digits.push_back(text[i]);
  }
  return digits.empty() ? "another process" : "process " + digits;
}

}  // namespace

Result<StoreLock> StoreLock::Take(const std::string& path) {
  const std::string name = path + ".lock";
  StoreLock lock;
  lock.file_ = Fd(open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  const int file = lock.file_.get();
  if (file < 0) {
    return Status::FromErrno(errno == ENOSPC ? store_error::kNoSpace : store_error::kRetry,
                             "opening the lock " + name, errno);
  }
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return Status::FromErrno(store_error::kRetry, "locking " + name, errno);
    }
    return Status(store_error::kFenced, "the store " + path + " is in use by " + HolderOf(file) +
                                            "; one process at a time may have it");
  }
  // Only for the sentence above: the lock holds without it, even on a full disk.
  const std::string holder = std::to_string(getpid()) + "\n";
  if (ftruncate(file, 0) == 0) {
    (void)!pwrite(file, holder.data(), holder.size(), 0);
  }
  return lock;
}

}  // namespace farlane::pool
