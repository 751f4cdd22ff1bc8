// SPDX-License-Identifier: Apache-2.0
#include "protocol/pki/secret_file.h"

#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/fd.h"

namespace farlane::pki {
namespace {

// A key and its certificates are a tenth of this.
constexpr size_t kBytesMax = 64 << 10;

Status CheckOwner(int file, const std::string& path) {
  struct stat facts {};

  const bool own = fstat(file, &facts) == 0 && facts.st_uid == geteuid() &&
                   (facts.st_mode & (S_IRWXG | S_IRWXO)) == 0;
  return own ? Status::Ok()
             : Status(StatusCode::kRefused,
                      path + " must belong to this user, and to nobody else (chmod 600)");
}

}  // namespace

Status WriteSecretFile(const std::string& path, std::string_view bytes) {
  // Under another name first: half a key would be none.
  const std::string draft = path + ".new";
  unlink(draft.c_str());
  const Fd file(open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
  const bool written =
      file.valid() &&
      write(file.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
      fsync(file.get()) == 0 && rename(draft.c_str(), path.c_str()) == 0;
  return written ? Status::Ok()
                 : Status::FromErrno(StatusCode::kUnavailable, "cannot write " + path, errno);
}

Result<std::optional<std::string>> ReadSecretFile(const std::string& path) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid() && errno == ENOENT) {
    return std::optional<std::string>();
  }
  if (!file.valid()) {
    return Status::FromErrno(StatusCode::kUnavailable, "cannot read " + path, errno);
  }
  FARLANE_TRY(CheckOwner(file.get(), path));
  std::string bytes(kBytesMax, '\0');
  const ssize_t got = read(file.get(), bytes.data(), bytes.size());
  if (got < 0 || static_cast<size_t>(got) == bytes.size()) {
    return Status(StatusCode::kCorrupt, path + " cannot be read, or is too long");
  }
  bytes.resize(static_cast<size_t>(got));
  return std::optional(std::move(bytes));
}

}  // namespace farlane::pki
