// SPDX-License-Identifier: Apache-2.0
#include "client-shim/kin.h"

#include <cerrno>
#include <cstring>
#include <span>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/bytes.h"
#include "protocol/base/environment.h"
#include "protocol/base/fd.h"

namespace farlane::shim {
namespace {

constexpr mode_t kOthers = S_IRWXG | S_IRWXO;

struct Secret {
  uint8_t bytes[32] = {};
};

// fstat is newer than the oldest C library that we run with, and what it was before is in no header
// any more.
bool ReadFacts(const Fd& file, struct statx* facts) {
  return file.valid() && statx(file.get(), "", AT_EMPTY_PATH,
                               STATX_TYPE | STATX_MODE | STATX_UID | STATX_SIZE, facts) == 0;
}

// What a process is called in another name space means nothing in this one.
std::string NameSpace() {
  char text[64];
  const ssize_t size = readlink("/proc/self/ns/pid", text, sizeof text);
  return {text, size > 0 ? static_cast<size_t>(size) : 0};
}

// A folder of this user's own, made if it is not there.
Status OpenFolder(const std::string& path, Fd* folder) {
  if (mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return Status::FromErrno(StatusCode::kNotFound, "cannot make " + path, errno);
  }
  *folder = Fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));

  struct statx facts {};

  if (!ReadFacts(*folder, &facts)) {
    return Status::FromErrno(StatusCode::kNotFound, "cannot open " + path, errno);
  }
  return facts.stx_uid == geteuid() && (facts.stx_mode & kOthers) == 0
             ? Status::Ok()
             : Status(StatusCode::kRefused, path + " is not this user's alone");
}

// Whoever is first makes it; the lock keeps the others from reading half of it.
Status ReadOrMake(const Fd& file, Secret* secret) {
  struct statx facts {};

  if (flock(file.get(), LOCK_EX) != 0 || !ReadFacts(file, &facts)) {
    return Status::FromErrno(StatusCode::kUnavailable, "cannot lock the secret of kin", errno);
  }
  if (!S_ISREG(facts.stx_mode) || facts.stx_uid != geteuid()) {
    return Status(StatusCode::kRefused, "the secret of kin is not this user's");
  }
  constexpr auto kSize = static_cast<ssize_t>(sizeof secret->bytes);
  if (facts.stx_size == sizeof secret->bytes &&
      pread(file.get(), secret->bytes, kSize, 0) == kSize) {
    return Status::Ok();
  }
  if (getrandom(secret->bytes, kSize, 0) != kSize || ftruncate(file.get(), 0) != 0 ||
      pwrite(file.get(), secret->bytes, kSize, 0) != kSize) {
    return Status::FromErrno(StatusCode::kUnavailable, "cannot make the secret of kin", errno);
  }
  return Status::Ok();
}

}  // namespace

Result<Sha256Digest> KinKeyIn(const std::string& path) {
  Fd folder;
  FARLANE_TRY(OpenFolder(path, &folder));
  const Fd file(openat(folder.get(), "farlane-kin", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                       S_IRUSR | S_IWUSR));
  if (!file.valid()) {
    return Status::FromErrno(StatusCode::kNotFound, "cannot open the secret of kin", errno);
  }
  Secret secret;
  FARLANE_TRY(ReadOrMake(file, &secret));
  std::string whole(reinterpret_cast<const char*>(secret.bytes), sizeof secret.bytes);
  whole += NameSpace();
  const Sha256Digest key = Sha256(std::as_bytes(std::span(whole)));
  explicit_bzero(&secret, sizeof secret);
  explicit_bzero(whole.data(), whole.size());
  return key;
}

Result<Sha256Digest> KinKey() {
  const std::string user = std::to_string(geteuid());
  for (const std::string& folder :
       {Environment("XDG_RUNTIME_DIR").value_or(""), "/run/user/" + user}) {
    if (!folder.empty() && access(folder.c_str(), W_OK) == 0) {
      Result<Sha256Digest> key = KinKeyIn(folder);
      if (key.ok()) {
        return key;
      }
    }
  }
  return KinKeyIn("/tmp/farlane-" + user);
}

}  // namespace farlane::shim
