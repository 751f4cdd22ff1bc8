// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/wakeup.h"

#include <cstdint>

#include <sys/eventfd.h>

#include "protocol/base/check.h"

namespace farlane::server {

Wakeup::Wakeup() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  FARLANE_CHECK(event_.valid());
}

void Wakeup::Wake() {
  const uint64_t one = 1;
  // Fails only when 2^64 calls were not yet seen.
  static_cast<void>(!write(event_.get(), &one, sizeof one));
}

void Wakeup::Clear() {
  uint64_t count = 0;
  static_cast<void>(!read(event_.get(), &count, sizeof count));
}

}  // namespace farlane::server
