// SPDX-License-Identifier: Apache-2.0
// SharedMemory is how much memory the threads of a block can share, which differs from one compute
// capability to another: programs size their tiles by it.
#pragma once

#include <cstdint>

#include "soft-gpu/device/config.h"

namespace farlane::soft {

constexpr uint32_t kSharedBytesDefaultMax = 48 << 10;  // of a block that has not asked for more

struct SharedMemory {
  uint32_t block_bytes = 0;      // of a block whose kernel has asked for it
  uint32_t processor_bytes = 0;  // of all blocks that a processor has at a time
  uint32_t reserved_bytes = 0;   // of each block, for the system
};

// As the table of compute capabilities in NVIDIA's programming guide has it. One that the table
// does not have is like the last before it.
constexpr SharedMemory SharedMemoryOf(int capability) {
  struct Row {
    int capability;
    uint32_t block;
    uint32_t processor;
  };

  constexpr Row kRows[] = {
      {50, 48, 64},   {52, 48, 96},  {53, 48, 64},   {60, 48, 64},   {61, 48, 96},
      {62, 48, 64},   {70, 96, 96},  {75, 64, 64},   {80, 163, 164}, {86, 99, 100},
      {87, 163, 164}, {88, 99, 100}, {90, 227, 228}, {120, 99, 100},
  };
  Row found = kRows[0];
  for (const Row& row : kRows) {
    found = row.capability <= capability ? row : found;
  }
  return {.block_bytes = found.block << 10,
          .processor_bytes = found.processor << 10,
          .reserved_bytes = capability >= 80 ? 1u << 10 : 0};
}

inline SharedMemory SharedMemoryOf(const Config& config) {
  return SharedMemoryOf(config.cc_major * 10 + config.cc_minor);
}

}  // namespace farlane::soft
