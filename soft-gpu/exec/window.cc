// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/window.h"

#include "protocol/base/guarded.h"

namespace farlane::soft {
namespace {

Guarded<DeviceWindow>& Window() {
  static Guarded<DeviceWindow> window;
  return window;
}

}  // namespace

void SetDeviceWindow(uint64_t base, uint64_t size_bytes) {
  Window().With([&](DeviceWindow& window) { window = {base, size_bytes}; });
}

DeviceWindow CurrentDeviceWindow() {
  return Window().With([](DeviceWindow& window) { return window; });
}

}  // namespace farlane::soft
