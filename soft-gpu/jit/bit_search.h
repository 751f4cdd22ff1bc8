// SPDX-License-Identifier: Apache-2.0
// FindNthSet is what the instruction fns computes, as a function that compiled code calls.
#pragma once

#include <cstdint>
#include <span>

#include "soft-gpu/jit/runtime_function.h"

namespace farlane::soft::jit {

// The position of the |offset|-th set bit of `mask` from `base` on, upwards if `offset` is positive
// and downwards if it is negative; with 0, `base` if that bit is set. All ones if there is none.
uint32_t FindNthSet(uint32_t mask, uint32_t base, int32_t offset);

constexpr const char* kFindNthSetFunction = "farlane_soft_fns";

std::span<const RuntimeFunction> BitFunctions();

}  // namespace farlane::soft::jit
