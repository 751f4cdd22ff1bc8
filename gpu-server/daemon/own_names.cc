// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/own_names.h"

#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/fd.h"
#include "protocol/control/hex.h"

namespace farlane::server {
namespace {

using Name = std::array<uint8_t, 16>;

Result<std::string> FreshName() {
  Name name{};
  if (getrandom(name.data(), name.size(), 0) != static_cast<ssize_t>(name.size())) {
    return Status::FromErrno(StatusCode::kInternal, "no random numbers", errno);
  }
  return control::Hex(name);
}

// What is there, if it is a name.
std::string NameIn(const std::string& path) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char text[2 * sizeof(Name)];
  Name name{};
  const bool whole = file.valid() && read(file.get(), text, sizeof text) == sizeof text;
  const std::string found(text, whole ? sizeof text : 0);
  return control::FromHex(found, name) ? found : "";
}

}  // namespace

Result<std::string> ServerId(const std::string& state_dir) {
  FARLANE_ASSIGN(const std::string fresh, FreshName());
  if (state_dir.empty()) {
    return fresh;
  }
  const std::string path = state_dir + "/server-id";
  if (const std::string known = NameIn(path); !known.empty()) {
    return known;
  }
  // Under another name first: half a name would be another server at the next start.
  const std::string draft = path + ".new";
  const Fd file(open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!file.valid() ||
      write(file.get(), fresh.data(), fresh.size()) != static_cast<ssize_t>(fresh.size()) ||
      fsync(file.get()) != 0 || rename(draft.c_str(), path.c_str()) != 0) {
    return Status::FromErrno(StatusCode::kUnavailable, "cannot write " + path, errno);
  }
  return fresh;
}

Result<std::string> PrivateAddress() {
  FARLANE_ASSIGN(const std::string name, FreshName());
  return "unix:@farlane-control-" + name;
}

}  // namespace farlane::server
