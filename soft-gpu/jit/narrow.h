// SPDX-License-Identifier: Apache-2.0
// Narrow rounds a number to one of the short float formats in any direction, and Widen reads one.
// They are ordinary functions that compiled code calls: only the roundings to nearest of f16 and
// bf16 are frequent enough to be written inline (half.h).
#pragma once

#include <cstdint>
#include <span>

#include "soft-gpu/jit/runtime_function.h"
#include "soft-gpu/ptx/type.h"

namespace farlane::soft::jit {

// How to round. The first four are numbered as in rounding.h.
enum class Narrowing : uint32_t { kNearest, kDown, kUp, kZero, kNearestAway };

// What Narrow is told in one number.
struct NarrowForm {
  ptx::Type type = ptx::Type::kNone;  // f16 bf16 tf32 e5m2 e4m3 e3m2 e2m3 e2m1 ue8m0
  Narrowing direction = Narrowing::kNearest;
  bool satfinite = false;  // what is too large becomes the largest number

  uint32_t Packed() const {
    return static_cast<uint32_t>(type) | static_cast<uint32_t>(direction) << 8 |
           static_cast<uint32_t>(satfinite) << 16;
  }
};

// Whether the type is one of those above that PTX only has packed.
bool IsSmallFloat(ptx::Type type);

// The bits of `value` in the form's type. tf32 has 19 bits here, without the 13 below.
uint32_t Narrow(double value, uint32_t form);
// The value of the lowest bits as a small float of that type; exact.
float Widen(uint32_t bits, uint32_t type);

constexpr const char* kNarrowFunction = "farlane_soft_narrow";
constexpr const char* kWidenFunction = "farlane_soft_widen";

std::span<const RuntimeFunction> NarrowFunctions();

}  // namespace farlane::soft::jit
