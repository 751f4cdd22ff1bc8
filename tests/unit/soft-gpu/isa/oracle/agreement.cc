// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/soft-gpu/isa/oracle/agreement.h"

#include <algorithm>
#include <cmath>

namespace farlane::soft::isa {

using ptx::Type;

namespace {

bool IsFinite(uint64_t bits, const FloatFormat& format) {
  return (bits & (format.exponent_mask() | format.fraction_mask())) <= format.max_finite();
}

// A byte's register is 32 bits wide here and filled by the byte's sign.
uint64_t WidenedByte(Type type, uint64_t bits) {
  return ptx::IsSigned(type) ? Truncate(static_cast<uint64_t>(SignExtend(bits, 8)), 32) : bits;
}

// The element of a register that is compared by itself.
Expected LaneOf(const Expected& whole, unsigned lane, unsigned width) {
  Expected part = whole;
  part.bits = Truncate(whole.bits >> (lane * width), width);
  return part;
}

}  // namespace

double ToDouble(uint64_t bits, const FloatFormat& format) {
  const uint64_t fraction = bits & format.fraction_mask();
  const auto field = static_cast<int>((bits & format.exponent_mask()) >> format.fraction_bits);
  const uint64_t leading = field == 0 ? 0 : uint64_t{1} << format.fraction_bits;
  const double size =
      std::ldexp(static_cast<double>(leading | fraction),
                 std::max(field, 1) - format.bias() - static_cast<int>(format.fraction_bits));
  return (bits & format.sign_bit()) != 0 ? -size : size;
}

bool Agrees(Type type, uint64_t actual, const Expected& expected) {
  if (expected.is_open || ((actual ^ expected.bits) & ~expected.open_bits) == 0) {
    return true;
  }
  const FloatFormat format = FormatOf(type);
  if (format.exponent_bits == 0) {
    return false;
  }
  if (format.is_nan(expected.bits)) {
    return !expected.is_this_nan && format.is_nan(actual);
  }
  const bool both_zero = ((actual | expected.bits) & ~format.sign_bit()) == 0;
  if (both_zero && expected.either_zero) {
    return true;
  }
  return expected.allowed > 0 && IsFinite(actual, format) && IsFinite(expected.bits, format) &&
         std::fabs(ToDouble(actual, format) - expected.number) <= expected.allowed;
}

bool ResultAgrees(const Subject& subject, const Call& call, unsigned index, uint64_t stored) {
  const Type type = TypeOfLetter(subject.variant, subject.row->results[index]);
  const Packing packing = PackingOf(type);
  if (packing.count > 1) {
    const unsigned width = ptx::BitsOf(type) / packing.count;
    bool agrees = true;
    for (unsigned lane = 0; lane < packing.count; ++lane) {
      const Expected expected =
          subject.row->by_lane ? call.out[lane] : LaneOf(call.out[index], lane, width);
      agrees =
          agrees && Agrees(packing.element, Truncate(stored >> (lane * width), width), expected);
    }
    return agrees;
  }
  if (ptx::BitsOf(type) == 8 && ptx::IsInteger(type)) {
    return Truncate(stored, 32) == WidenedByte(type, call.out[index].bits);
  }
  return Agrees(type, Truncate(stored, std::max(ptx::BitsOf(type), 1u)), call.out[index]);
}

}  // namespace farlane::soft::isa
