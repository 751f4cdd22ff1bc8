// SPDX-License-Identifier: Apache-2.0
// What the collectives of a warp give each of its lanes, for one set of members.
#pragma once

#include <array>
#include <cstdint>

#include "tests/unit/soft-gpu/isa/oracle/semantics.h"

namespace farlane::soft::isa {

constexpr unsigned kLanes = 32;

// What one lane brings: its value, shfl's b and c.
struct LaneInputs {
  uint64_t value = 0;
  uint32_t b = 0;
  uint32_t c = 0;
};

using WarpInputs = std::array<LaneInputs, kLanes>;

// What a member gets: the destination and the predicate beside it.
struct LaneExpected {
  Expected value;
  Expected predicate;
};

// Whether there are semantics for a variant; elect and activemask leave their choice open and have
// tests of their own.
bool HasWarpSemantics(const Variant& variant);

LaneExpected WarpResult(const Variant& variant,
                        const WarpInputs& inputs,
                        uint32_t members,
                        unsigned lane);

}  // namespace farlane::soft::isa
