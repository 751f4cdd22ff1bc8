// SPDX-License-Identifier: Apache-2.0
// FloatFormat says how the bits of one kind of binary float are laid out.
#pragma once

#include <cstdint>

#include "soft-gpu/ptx/type.h"

namespace farlane::soft::isa {

// What the largest exponent field means.
enum class TopExponent : uint8_t {
  kIeee,     // infinity and NaNs
  kOneNan,   // numbers, but all ones is NaN (e4m3)
  kNumbers,  // numbers only (e3m2, e2m3, e2m1)
};

// Sign, exponent, fraction, from the top down.
// Thread: immutable.
struct FloatFormat {
  unsigned exponent_bits = 0;
  unsigned fraction_bits = 0;
  TopExponent top = TopExponent::kIeee;

  unsigned bits() const { return 1 + exponent_bits + fraction_bits; }

  int bias() const { return (1 << (exponent_bits - 1)) - 1; }

  uint64_t sign_bit() const { return uint64_t{1} << (bits() - 1); }

  uint64_t exponent_mask() const { return ((uint64_t{1} << exponent_bits) - 1) << fraction_bits; }

  uint64_t fraction_mask() const { return (uint64_t{1} << fraction_bits) - 1; }

  // The largest finite number.
  uint64_t max_finite() const {
    switch (top) {
      case TopExponent::kIeee:
        return exponent_mask() - 1;
      case TopExponent::kOneNan:
        return (exponent_mask() | fraction_mask()) - 1;
      default:
        return exponent_mask() | fraction_mask();
    }
  }

  // The NaN that PTX calls canonical: all bits but the sign.
  uint64_t canonical_nan() const { return exponent_mask() | fraction_mask(); }

  bool is_subnormal_or_zero(uint64_t bits) const { return (bits & exponent_mask()) == 0; }

  bool is_nan(uint64_t bits) const;
};

// The format of f16, bf16, f32, f64 or of an element of e4m3x2 and its kin; no bits at all for a
// type that is no float.
FloatFormat FormatOf(ptx::Type type);

}  // namespace farlane::soft::isa
