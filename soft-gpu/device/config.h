// SPDX-License-Identifier: Apache-2.0
// Config is what the environment asks of the software GPU: how many devices, how large, how modern.
// It is read once, by cuInit; nothing else here looks at the environment.
#pragma once

#include <cstdint>

#include "protocol/base/result.h"
#include "soft-gpu/exec/options.h"

namespace farlane::soft {

constexpr uint32_t kDevicesMax = 16;

// Thread: caller's.
struct Config {
  uint32_t device_count = 1;
  uint64_t memory_bytes = 0;  // of each device, a multiple of kFrameBytes
  int cc_major = 12;
  int cc_minor = 1;
  bool null_mode = false;  // kernels are accepted and do nothing
  ExecutionOptions execution;
};

// The FARLANE_SOFT_* variables, and those by which programs say where compiled kernels are kept.
Result<Config> ReadConfig();

}  // namespace farlane::soft
