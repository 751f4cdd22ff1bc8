// SPDX-License-Identifier: Apache-2.0
// ExactNumber is a number of PTX before it is rounded: what an operation gives in mathematics, kept
// in integers. Nothing of the processor's floating point is used, so a rounding of the compiled
// code cannot be wrong here in the same way.
#pragma once

#include <cstdint>

#include "tests/unit/soft-gpu/isa/oracle/float_format.h"

namespace farlane::soft::isa {

enum class Rounding : uint8_t { kNearestEven, kNearestAway, kZero, kDown, kUp };

// A finite number is significand * 2^exponent with the leading one at kTopBit. The lowest bit also
// says "something smaller than this follows"; at least 60 bits lie between it and the last bit any
// format keeps, so a rounding never takes it for a value.
// Thread: caller's.
class ExactNumber {
 public:
  enum class Kind : uint8_t { kZero, kFinite, kInfinite, kNan };
  using Wide = unsigned __int128;
  static constexpr int kTopBit = 120;

  static ExactNumber Nan();
  static ExactNumber Zero(bool negative);
  static ExactNumber Infinity(bool negative);
  static ExactNumber FromInteger(bool negative, uint64_t size);
  static ExactNumber FromBits(uint64_t bits, const FloatFormat& format);
  // significand * 2^exponent; `inexact` if something smaller follows.
  static ExactNumber Make(bool negative, Wide significand, int exponent, bool inexact);

  ExactNumber Negated() const;
  ExactNumber Size() const;

  // `direction` decides only the sign of an exact zero.
  static ExactNumber Add(const ExactNumber& a, const ExactNumber& b, Rounding direction);
  static ExactNumber Multiply(const ExactNumber& a, const ExactNumber& b);
  static ExactNumber Divide(const ExactNumber& a, const ExactNumber& b);
  static ExactNumber SquareRoot(const ExactNumber& a);
  // An integer in the given direction.
  ExactNumber ToIntegral(Rounding direction) const;

  // The nearest number of a format in the given direction. What is too large becomes infinity or
  // the largest number, as the direction says; a NaN the canonical one.
  uint64_t ToBits(const FloatFormat& format, Rounding direction) const;
  // Clamped to a range; the number must be integral. A NaN gives 0.
  uint64_t ToSigned(unsigned bits) const;
  uint64_t ToUnsigned(unsigned bits) const;

  // -1, 0, 1. NaNs do not compare; the zeros are equal.
  static int Compare(const ExactNumber& a, const ExactNumber& b);

  Kind kind() const { return kind_; }

  bool negative() const { return negative_; }

  bool is_nan() const { return kind_ == Kind::kNan; }

  bool is_zero() const { return kind_ == Kind::kZero; }

 private:
  static ExactNumber AddFinite(const ExactNumber& large, const ExactNumber& small, bool subtract);
  // The size as an integer, at most 2^64.
  Wide IntegralSize() const;

  Kind kind_ = Kind::kZero;
  bool negative_ = false;
  Wide significand_ = 0;
  int exponent_ = 0;
};

}  // namespace farlane::soft::isa
