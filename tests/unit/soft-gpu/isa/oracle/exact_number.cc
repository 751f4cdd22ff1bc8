// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/soft-gpu/isa/oracle/exact_number.h"

#include <algorithm>
#include <bit>

namespace farlane::soft::isa {

namespace {

using Wide = ExactNumber::Wide;

int LeadingBit(Wide value) {
  const auto high = static_cast<uint64_t>(value >> 64);
  return high != 0 ? 127 - std::countl_zero(high)
                   : 63 - std::countl_zero(static_cast<uint64_t>(value));
}

int TrailingZeros(Wide value) {
  const auto low = static_cast<uint64_t>(value);
  return low != 0 ? std::countr_zero(low)
                  : 64 + std::countr_zero(static_cast<uint64_t>(value >> 64));
}

// value / 2^count; the lowest bit remembers what fell off.
Wide ShiftRightSticky(Wide value, int count) {
  if (count <= 0) {
    return value << -count;
  }
  if (count > 127) {
    return value != 0 ? 1 : 0;
  }
  const Wide lost = value & ((Wide{1} << count) - 1);
  return (value >> count) | (lost != 0 ? 1 : 0);
}

// Whether a cut number goes one step away from zero. `rest` is what was cut off, `half` half a
// step.
bool RoundsAway(Wide kept, Wide rest, Wide half, bool negative, Rounding direction) {
  switch (direction) {
    case Rounding::kNearestEven:
      return rest > half || (rest == half && (kept & 1) != 0);
    case Rounding::kNearestAway:
      return rest >= half;
    case Rounding::kZero:
      return false;
    case Rounding::kDown:
      return negative && rest != 0;
    default:
      return !negative && rest != 0;
  }
}

// significand / 2^count, rounded to an integer.
Wide ShiftRightRounded(Wide significand, int count, bool negative, Rounding direction) {
  if (count <= 0) {
    return significand << -count;
  }
  if (count > ExactNumber::kTopBit + 2) {
    // Less than a quarter of a step is left: only that it is not zero counts.
    return RoundsAway(0, 1, 2, negative, direction) ? 1 : 0;
  }
  const Wide kept = significand >> count;
  const Wide rest = significand & ((Wide{1} << count) - 1);
  return kept + (RoundsAway(kept, rest, Wide{1} << (count - 1), negative, direction) ? 1 : 0);
}

Wide IntegerSquareRoot(Wide value) {
  Wide root = 0;
  for (int bit = 63; bit >= 0; --bit) {
    const Wide next = root | (Wide{1} << bit);
    if (next * next <= value) {
      root = next;
    }
  }
  return root;
}

bool Overflows(bool negative, Rounding direction) {
  switch (direction) {
    case Rounding::kZero:
      return false;
    case Rounding::kDown:
      return negative;
    case Rounding::kUp:
      return !negative;
    default:
      return true;
  }
}

}  // namespace

ExactNumber ExactNumber::Nan() {
  ExactNumber number;
  number.kind_ = Kind::kNan;
  return number;
}

ExactNumber ExactNumber::Zero(bool negative) {
  ExactNumber number;
  number.negative_ = negative;
  return number;
}

ExactNumber ExactNumber::Infinity(bool negative) {
  ExactNumber number;
  number.kind_ = Kind::kInfinite;
  number.negative_ = negative;
  return number;
}

ExactNumber ExactNumber::FromInteger(bool negative, uint64_t size) {
  return Make(negative, size, 0, false);
}

ExactNumber ExactNumber::Make(bool negative, Wide significand, int exponent, bool inexact) {
  if (significand == 0) {
    return Zero(negative);
  }
  ExactNumber number;
  number.kind_ = Kind::kFinite;
  number.negative_ = negative;
  const int shift = LeadingBit(significand) - kTopBit;
  number.significand_ = ShiftRightSticky(significand, shift) | (inexact ? 1 : 0);
  number.exponent_ = exponent + shift;
  return number;
}

ExactNumber ExactNumber::FromBits(uint64_t bits, const FloatFormat& format) {
  const bool negative = (bits & format.sign_bit()) != 0;
  const uint64_t fraction = bits & format.fraction_mask();
  const auto field = static_cast<int>((bits & format.exponent_mask()) >> format.fraction_bits);
  if (format.is_nan(bits)) {
    return Nan();
  }
  if (format.top == TopExponent::kIeee &&
      (bits & format.exponent_mask()) == format.exponent_mask()) {
    return Infinity(negative);
  }
  const uint64_t leading = field == 0 ? 0 : uint64_t{1} << format.fraction_bits;
  const int exponent = std::max(field, 1) - format.bias() - static_cast<int>(format.fraction_bits);
  return Make(negative, leading | fraction, exponent, false);
}

ExactNumber ExactNumber::Negated() const {
  ExactNumber number = *this;
  number.negative_ = !negative_;
  return number;
}

ExactNumber ExactNumber::Size() const {
  ExactNumber number = *this;
  number.negative_ = false;
  return number;
}

ExactNumber ExactNumber::AddFinite(const ExactNumber& large,
                                   const ExactNumber& small,
                                   bool subtract) {
  const Wide aligned = ShiftRightSticky(small.significand_, large.exponent_ - small.exponent_);
  const Wide sum = subtract ? large.significand_ - aligned : large.significand_ + aligned;
  return Make(large.negative_, sum, large.exponent_, false);
}

ExactNumber ExactNumber::Add(const ExactNumber& a, const ExactNumber& b, Rounding direction) {
  if (a.is_nan() || b.is_nan()) {
    return Nan();
  }
  if (a.kind_ == Kind::kInfinite || b.kind_ == Kind::kInfinite) {
    const bool both = a.kind_ == b.kind_;
    return both && a.negative_ != b.negative_ ? Nan() : a.kind_ == Kind::kInfinite ? a : b;
  }
  const bool opposite = a.negative_ != b.negative_;
  if (a.is_zero() || b.is_zero()) {
    const bool both = a.is_zero() && b.is_zero();
    return both && opposite ? Zero(direction == Rounding::kDown) : a.is_zero() ? b : a;
  }
  const bool a_larger = Compare(a.Size(), b.Size()) >= 0;
  const ExactNumber sum = AddFinite(a_larger ? a : b, a_larger ? b : a, opposite);
  return sum.is_zero() ? Zero(direction == Rounding::kDown) : sum;
}

ExactNumber ExactNumber::Multiply(const ExactNumber& a, const ExactNumber& b) {
  if (a.is_nan() || b.is_nan()) {
    return Nan();
  }
  const bool negative = a.negative_ != b.negative_;
  if (a.kind_ == Kind::kInfinite || b.kind_ == Kind::kInfinite) {
    return a.is_zero() || b.is_zero() ? Nan() : Infinity(negative);
  }
  if (a.is_zero() || b.is_zero()) {
    return Zero(negative);
  }
  // Without their trailing zeros the factors are numbers of a format: at most 53 bits each.
  const int a_zeros = TrailingZeros(a.significand_);
  const int b_zeros = TrailingZeros(b.significand_);
  return Make(negative, (a.significand_ >> a_zeros) * (b.significand_ >> b_zeros),
              a.exponent_ + a_zeros + b.exponent_ + b_zeros, false);
}

ExactNumber ExactNumber::Divide(const ExactNumber& a, const ExactNumber& b) {
  const bool negative = a.negative_ != b.negative_;
  if (a.is_nan() || b.is_nan() || (a.is_zero() && b.is_zero()) ||
      (a.kind_ == Kind::kInfinite && b.kind_ == Kind::kInfinite)) {
    return Nan();
  }
  if (a.is_zero() || b.kind_ == Kind::kInfinite) {
    return Zero(negative);
  }
  if (b.is_zero() || a.kind_ == Kind::kInfinite) {
    return Infinity(negative);
  }
  const int b_zeros = TrailingZeros(b.significand_);
  const Wide divisor = b.significand_ >> b_zeros;
  const Wide dividend = a.significand_ << (127 - kTopBit);
  return Make(negative, dividend / divisor, a.exponent_ - (127 - kTopBit) - b.exponent_ - b_zeros,
              dividend % divisor != 0);
}

ExactNumber ExactNumber::SquareRoot(const ExactNumber& a) {
  if (a.is_nan() || a.is_zero()) {
    return a;
  }
  if (a.negative_) {
    return Nan();
  }
  if (a.kind_ == Kind::kInfinite) {
    return a;
  }
  // An even exponent, and as many bits as fit.
  const int shift = a.exponent_ % 2 == 0 ? 6 : 7;
  const Wide radicand = a.significand_ << shift;
  const Wide root = IntegerSquareRoot(radicand);
  return Make(false, root, (a.exponent_ - shift) / 2, root * root != radicand);
}

ExactNumber ExactNumber::ToIntegral(Rounding direction) const {
  if (kind_ != Kind::kFinite || exponent_ >= 0) {
    return *this;
  }
  return Make(negative_, ShiftRightRounded(significand_, -exponent_, negative_, direction), 0,
              false);
}

uint64_t ExactNumber::ToBits(const FloatFormat& format, Rounding direction) const {
  const uint64_t sign = negative_ ? format.sign_bit() : 0;
  switch (kind_) {
    case Kind::kNan:
      return format.canonical_nan();
    case Kind::kZero:
      return sign;
    case Kind::kInfinite:
      return sign |
             (format.top == TopExponent::kIeee ? format.exponent_mask() : format.canonical_nan());
    default:
      break;
  }
  const int smallest = 1 - format.bias();
  const int leading = std::max(exponent_ + kTopBit, smallest);
  const int last = leading - static_cast<int>(format.fraction_bits);
  const auto kept = static_cast<uint64_t>(
      ShiftRightRounded(significand_, last - exponent_, negative_, direction));
  // `kept` holds the leading one of a normal number, which adds 1 to the exponent field.
  const uint64_t field = static_cast<uint64_t>(leading - smallest);
  if (leading > format.bias() + 1 || (field << format.fraction_bits) + kept > format.max_finite()) {
    return Overflows(negative_, direction) ? Infinity(negative_).ToBits(format, direction)
                                           : sign | format.max_finite();
  }
  return sign | ((field << format.fraction_bits) + kept);
}

Wide ExactNumber::IntegralSize() const {
  const Wide beyond = Wide{1} << 64;
  switch (kind_) {
    case Kind::kZero:
    case Kind::kNan:
      return 0;
    case Kind::kInfinite:
      return beyond;
    default:
      return exponent_ + kTopBit >= 64 ? beyond : significand_ >> -exponent_;
  }
}

uint64_t ExactNumber::ToSigned(unsigned bits) const {
  const Wide limit = (Wide{1} << (bits - 1)) - (negative_ ? 0 : 1);
  const auto size = static_cast<uint64_t>(std::min(IntegralSize(), limit));
  return negative_ && !is_nan() ? ~size + 1 : size;
}

uint64_t ExactNumber::ToUnsigned(unsigned bits) const {
  const Wide limit = (Wide{1} << bits) - 1;
  return negative_ ? 0 : static_cast<uint64_t>(std::min(IntegralSize(), limit));
}

int ExactNumber::Compare(const ExactNumber& a, const ExactNumber& b) {
  const auto rank = [](const ExactNumber& n) {
    const int size = n.is_zero() ? 0 : n.kind_ == Kind::kInfinite ? 2 : 1;
    return n.negative_ ? -size : size;
  };
  if (rank(a) != rank(b)) {
    return rank(a) < rank(b) ? -1 : 1;
  }
  if (a.kind_ != Kind::kFinite) {
    return 0;
  }
  const int sizes = a.exponent_ != b.exponent_        ? (a.exponent_ < b.exponent_ ? -1 : 1)
                    : a.significand_ < b.significand_ ? -1
                    : a.significand_ > b.significand_ ? 1
                                                      : 0;
  return a.negative_ ? -sizes : sizes;
}

}  // namespace farlane::soft::isa
