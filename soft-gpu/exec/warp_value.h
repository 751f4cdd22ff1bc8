// SPDX-License-Identifier: Apache-2.0
// What the collectives of a warp compute from the values its members bring; no scheduling here.
#pragma once

#include <array>
#include <cstdint>

#include "soft-gpu/jit/collective.h"

namespace farlane::soft {

constexpr uint32_t kWarpThreads = 32;

// What one lane brings to a collective.
struct LaneRequest {
  jit::WarpKind kind = jit::WarpKind::kSync;
  uint32_t members = 0;
  uint64_t value = 0;
  uint32_t first = 0;   // shfl: distance
  uint32_t second = 0;  // shfl: clamp and segment
};

using WarpRequests = std::array<LaneRequest, kWarpThreads>;

// The results of all of `present` once they have come, to results[lane].
void WarpResults(const WarpRequests& requests, uint32_t present, uint64_t* results);

}  // namespace farlane::soft
