// SPDX-License-Identifier: Apache-2.0
// The device window is the one range of addresses that kernels may reach. It is set once, before
// the first launch, by whoever reserves device memory; until then every access of a kernel faults.
#pragma once

#include <cstdint>

namespace farlane::soft {

struct DeviceWindow {
  uint64_t base = 0;
  uint64_t size_bytes = 0;
};

// `base` and `size_bytes` are multiples of the page size.
void SetDeviceWindow(uint64_t base, uint64_t size_bytes);
DeviceWindow CurrentDeviceWindow();

}  // namespace farlane::soft
