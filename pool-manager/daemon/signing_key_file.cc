// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/signing_key_file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/fd.h"

namespace farlane::pool {
namespace {

using Secret = std::array<uint8_t, token::SigningKey::kSecretBytes>;

Status CheckOwner(int file, const std::string& path) {
  struct stat facts {};

  const bool own = fstat(file, &facts) == 0 && facts.st_uid == geteuid() &&
                   (facts.st_mode & (S_IRWXG | S_IRWXO)) == 0;
  return own ? Status::Ok()
             : Status(StatusCode::kRefused,
                      path + " must belong to this user, and to nobody else (chmod 600)");
}

Status Write(const std::string& path, const Secret& secret) {
  // Under another name first: half a key would be none.
  const std::string draft = path + ".new";
  unlink(draft.c_str());
  const Fd file(open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
  const bool written =
      file.valid() &&
      write(file.get(), secret.data(), secret.size()) == static_cast<ssize_t>(secret.size()) &&
      fsync(file.get()) == 0 && rename(draft.c_str(), path.c_str()) == 0;
  return written ? Status::Ok()
                 : Status::FromErrno(StatusCode::kUnavailable, "cannot write " + path, errno);
}

Result<token::SigningKey> MakeAt(const std::string& path) {
  FARLANE_ASSIGN(token::SigningKey key, token::SigningKey::Make());
  FARLANE_ASSIGN(Secret secret, key.Secret());
  const Status written = Write(path, secret);
  explicit_bzero(secret.data(), secret.size());
  FARLANE_TRY(written);
  return key;
}

}  // namespace

Result<token::SigningKey> TakeSigningKey(const std::string& folder) {
  const std::string path = folder + "/signing.key";
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid() && errno == ENOENT) {
    return MakeAt(path);
  }
  if (!file.valid()) {
    return Status::FromErrno(StatusCode::kUnavailable, "cannot read " + path, errno);
  }
  FARLANE_TRY(CheckOwner(file.get(), path));
  Secret secret{};
  const ssize_t got = read(file.get(), secret.data(), secret.size());
  Result<token::SigningKey> key =
      got == static_cast<ssize_t>(secret.size())
          ? token::SigningKey::FromSecret(secret)
          : Result<token::SigningKey>(Status(StatusCode::kCorrupt, path + " is no key"));
  explicit_bzero(secret.data(), secret.size());
  return key;
}

}  // namespace farlane::pool
