// SPDX-License-Identifier: Apache-2.0
// Loads and stores that lie at fixed distances from one register, with nothing between them that
// could change it or keep the thread from getting there, are checked together: one comparison where
// an unrolled loop would have dozens. Where the comparison fails, each is checked by itself.
#pragma once

#include <cstdint>
#include <vector>

#include "soft-gpu/ptx/ast.h"

namespace farlane::soft::jit {

// Thread: immutable once found.
struct AccessGroup {
  ptx::Space space = ptx::Space::kNone;
  ptx::RegisterId base = ptx::kNoIndex;
  uint32_t bytes = 0;             // of each access
  int64_t first_offset = 0;       // the lowest
  int64_t last_offset = 0;        // the highest
  std::vector<uint32_t> members;  // instructions, in order; at least two
};

constexpr uint32_t kNoGroup = 0xffffffff;

struct AccessGroups {
  std::vector<AccessGroup> groups;
  std::vector<uint32_t> group_of;  // by instruction: its group or kNoGroup
};

AccessGroups FindAccessGroups(const ptx::Body& body);

}  // namespace farlane::soft::jit
