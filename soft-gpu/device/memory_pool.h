// SPDX-License-Identifier: Apache-2.0
// MemoryPool counts what was allocated from it in stream order. It holds no memory back: the
// device's frames are quick enough to come by.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "protocol/abi/cuda_abi.h"

namespace farlane::soft {

// Thread: caller's, guarded by MemoryPools.
struct MemoryPool {
  int device = 0;
  bool destroyed = false;  // its handle means nothing; its allocations go on
  uint64_t bytes_max = 0;  // 0: no limit of its own
  uint64_t used_bytes = 0;
  uint64_t used_bytes_high = 0;
  uint64_t release_threshold = 0;
  std::array<int, 3> reuse{1, 1, 1};  // by CU_MEMPOOL_ATTR_REUSE_*
  uint32_t open_to = 0;               // devices beside its own, a bit each
  bool for_others = false;            // made to be shared with other processes
  bool imported = false;              // another process's: gives out nothing here
  uint64_t serial = 0;                // of what is shared of it; 0: nothing yet

  bool HasRoom(uint64_t bytes) const {
    return bytes_max == 0 || (bytes <= bytes_max && used_bytes <= bytes_max - bytes);
  }

  void Add(uint64_t bytes) {
    used_bytes += bytes;
    used_bytes_high = std::max(used_bytes_high, used_bytes);
  }
};

}  // namespace farlane::soft
