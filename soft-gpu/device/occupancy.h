// SPDX-License-Identifier: Apache-2.0
// Occupancy says how many blocks of a kernel one processor holds at a time, by the limits that the
// device's attributes name. Pure arithmetic.
#pragma once

#include <algorithm>
#include <cstdint>

#include "protocol/base/bytes.h"
#include "soft-gpu/device/device.h"

namespace farlane::soft {

struct BlockNeeds {
  uint32_t threads = 0;
  uint32_t registers = 0;  // of each thread
  uint64_t shared_bytes = 0;
};

constexpr uint32_t BlocksPerProcessor(const SharedMemory& shared, const BlockNeeds& needs) {
  const auto threads = static_cast<uint32_t>(RoundUp(std::max(needs.threads, 1u), kWarpThreads));
  const uint64_t by_shared =
      shared.processor_bytes / std::max<uint64_t>(needs.shared_bytes + shared.reserved_bytes, 1);
  const uint64_t by_registers =
      kRegistersPerBlock / std::max<uint64_t>(uint64_t{threads} * needs.registers, 1);
  const uint64_t blocks = std::min<uint64_t>(
      {kBlocksPerProcessor, kThreadsPerProcessor / threads, by_shared, by_registers});
  return static_cast<uint32_t>(blocks);
}

// The shared memory that each of `blocks` may ask for at run time.
constexpr uint64_t SharedBytesLeft(const SharedMemory& shared,
                                   uint32_t blocks,
                                   uint64_t static_bytes) {
  const uint64_t each = shared.processor_bytes / std::max(blocks, 1u);
  const uint64_t taken = static_bytes + shared.reserved_bytes;
  return each < taken ? 0 : std::min<uint64_t>(each - taken, shared.block_bytes);
}

}  // namespace farlane::soft
