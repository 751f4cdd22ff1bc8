// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/driver/device_share.h"

#include <cerrno>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "protocol/base/environment.h"

namespace farlane::server {
namespace {

constexpr char kVariable[] = "FARLANE_SOFT_SHARED";

}  // namespace

Fd OpenDeviceShare() {
  const std::string path = Environment(kVariable).value_or("");
  return Fd(path.empty() ? -1 : open(path.c_str(), O_RDWR | O_CLOEXEC));
}

Result<Fd> OfferDeviceShare(Fd former) {
  if (Environment(kVariable).has_value()) {
    return Fd();
  }
  Fd file = former.valid() ? std::move(former) : Fd(memfd_create("farlane-devices", MFD_CLOEXEC));
  if (!file.valid()) {
    return Status::FromErrno(StatusCode::kExhausted, "cannot make the workers' device memory",
                             errno);
  }
  // By way of this process, since a worker starts with its descriptors closed.
  const std::string path =
      "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(file.get());
  setenv(kVariable, path.c_str(), 1);
  return file;
}

}  // namespace farlane::server
