// SPDX-License-Identifier: Apache-2.0
// Config is what the environment asks of the software GPU: how many devices, how large, how modern.
// It is read once, by cuInit; nothing else here looks at the environment.
#pragma once

#include <cstdint>

#include "protocol/base/result.h"

namespace farlane::soft {

constexpr uint32_t kDevicesMax = 16;

// Thread: caller's.
struct Config {
  uint32_t device_count = 1;
  uint64_t memory_bytes = 0;  // of each device, a multiple of kFrameBytes
  int cc_major = 12;
  int cc_minor = 1;
  bool null_mode = false;  // kernels are accepted and do nothing
};

// FARLANE_SOFT_DEVICES, FARLANE_SOFT_MEMORY, FARLANE_SOFT_CC and FARLANE_SOFT_NULL.
Result<Config> ReadConfig();

}  // namespace farlane::soft
