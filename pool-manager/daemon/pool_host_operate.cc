// SPDX-License-Identifier: Apache-2.0
// The part of PoolHost for those who run the pool: handing over, and saving what is stored.
#include <cerrno>
#include <cstdlib>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool-manager/daemon/pool_host.h"
#include "protocol/base/fd.h"
#include "protocol/base/log.h"

namespace farlane::pool {
namespace {

Result<std::string> ReadWhole(const std::string& path) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));

  struct stat facts {};

  if (!file.valid() || fstat(file.get(), &facts) != 0) {
    return farlane::Status::FromErrno(StatusCode::kUnavailable, "cannot read " + path, errno);
  }
  std::string bytes(static_cast<size_t>(facts.st_size), '\0');
  size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = read(file.get(), bytes.data() + have, bytes.size() - have);
    if (got == 0 || (got < 0 && errno != EINTR)) {
      return farlane::Status::FromErrno(StatusCode::kUnavailable, "cannot read " + path, errno);
    }
    have += got > 0 ? static_cast<size_t>(got) : 0;
  }
  return bytes;
}

}  // namespace

std::optional<Objection> PoolHost::StepDown(v1::StepDownResponse* response) {
  if (settings_.step_down == nullptr) {
    return Objection{
        Objection::Kind::kConflict, "NoOther",
        "this pool is kept in a file of this manager's (--state-dir), and no other can "
        "lead it"};
  }
  LogInfo("steps down, as it was asked to");
  response->set_epoch(store_->epoch());
  settings_.step_down();
  return std::nullopt;
}

std::optional<Objection> PoolHost::BackUp(std::string* bytes) {
  if (settings_.backup == nullptr) {
    return Objection{Objection::Kind::kConflict, "Etcd",
                     "this pool is kept in etcd: etcdctl snapshot save FILE saves it"};
  }
  std::string path = settings_.scratch_dir + "/backup-XXXXXX";
  const Fd file(mkstemp(path.data()));  // nobody else's name, and readable for nobody else
  if (!file.valid()) {
    return Objection{Objection::Kind::kUnavailable, "NoFile",
                     "cannot make a file in " + settings_.scratch_dir};
  }
  farlane::Status copied = settings_.backup(path);
  if (copied.ok()) {
    Result<std::string> read = ReadWhole(path);
    copied = read.ok() ? farlane::Status::Ok() : farlane::Status(read.error());
    *bytes = read.ok() ? std::move(read).value() : "";
  }
  unlink(path.c_str());
  if (!copied.ok()) {
    return Objection{Objection::Kind::kUnavailable, "StoreFailed", copied.message()};
  }
  return std::nullopt;
}

}  // namespace farlane::pool
