// SPDX-License-Identifier: Apache-2.0
// cvt in all its forms: the first type is the result's, the second the source's.
#include <algorithm>

#include "tests/unit/soft-gpu/isa/oracle/semantics.h"

namespace farlane::soft::isa {
namespace {

using ptx::Modifier;
using ptx::Opcode;
using ptx::Type;

bool IsFlushed(const Call& call, Type type) {
  return call.Has(Modifier::kFtz) && type == Type::kF32;
}

// .ftz is about the f32 side only.
ExactNumber Source(const Call& call, uint64_t bits, Type type) {
  const FloatFormat format = FormatOf(type);
  if (IsFlushed(call, type) && format.is_subnormal_or_zero(bits)) {
    bits &= format.sign_bit();
  }
  return ExactNumber::FromBits(bits, format);
}

bool RoundsToIntegral(const Variant& variant) {
  return variant.Has(Modifier::kRni) || variant.Has(Modifier::kRzi) ||
         variant.Has(Modifier::kRmi) || variant.Has(Modifier::kRpi);
}

uint64_t One(const FloatFormat& format) {
  return ExactNumber::FromInteger(false, 1).ToBits(format, Rounding::kZero);
}

// A number as the bits of a float type, with what the modifiers make of it.
Expected ToFloat(const Call& call, const ExactNumber& number, Type type) {
  const FloatFormat format = FormatOf(type);
  Expected expected;
  expected.bits = number.ToBits(format, RoundingOf(call.variant));
  if (IsFlushed(call, type) && format.is_subnormal_or_zero(expected.bits)) {
    expected.bits &= format.sign_bit();
  }
  const bool is_negative = (expected.bits & format.sign_bit()) != 0;
  if (call.Has(Modifier::kSatfinite)) {
    // Infinities become the largest number too. A NaN stays one where the format has NaNs.
    const uint64_t sign = expected.bits & format.sign_bit();
    const uint64_t size = expected.bits & ~format.sign_bit();
    const bool has_nan = format.top != TopExponent::kNumbers;
    expected.bits = number.is_nan() ? (has_nan ? format.canonical_nan() : format.max_finite())
                                    : sign | std::min(size, format.max_finite());
    expected.is_this_nan = number.is_nan() && has_nan;
  }
  const bool is_nan = format.is_nan(expected.bits);
  if (call.Has(Modifier::kSat)) {
    expected.either_zero = !is_nan && expected.bits == format.sign_bit();
    expected.bits = is_nan || is_negative ? 0 : std::min(expected.bits, One(format));
  }
  if (call.Has(Modifier::kRelu) && !is_nan && is_negative) {
    expected.either_zero = expected.bits == format.sign_bit();
    expected.bits = 0;
  }
  return expected;
}

uint64_t ClampedInteger(const ExactNumber& number, Type type) {
  return ptx::IsSigned(type) ? number.ToSigned(ptx::BitsOf(type))
                             : number.ToUnsigned(ptx::BitsOf(type));
}

ExactNumber FromInteger(uint64_t bits, Type type) {
  const int64_t value = SignExtend(bits, ptx::BitsOf(type));
  return ptx::IsSigned(type) && value < 0
             ? ExactNumber::FromInteger(true, ~static_cast<uint64_t>(value) + 1)
             : ExactNumber::FromInteger(false, bits);
}

void IntegerToInteger(Call& call) {
  const Type to = call.variant.types[0];
  const Type from = call.variant.types[1];
  if (call.Has(Modifier::kSat)) {
    call.out[0].bits = Truncate(ClampedInteger(FromInteger(call.in[0], from), to), ptx::BitsOf(to));
    return;
  }
  const uint64_t wide = ptx::IsSigned(from)
                            ? static_cast<uint64_t>(SignExtend(call.in[0], ptx::BitsOf(from)))
                            : call.in[0];
  call.out[0].bits = Truncate(wide, ptx::BitsOf(to));
}

void IntegerToFloat(Call& call) {
  call.out[0] =
      ToFloat(call, FromInteger(call.in[0], call.variant.types[1]), call.variant.types[0]);
}

// Out of range: the end of the range. NaN: 0, but the top bit alone if either side has 64 bits.
void FloatToInteger(Call& call) {
  const Type to = call.variant.types[0];
  const Type from = call.variant.types[1];
  const unsigned bits = ptx::BitsOf(to);
  const ExactNumber number = Source(call, call.in[0], from).ToIntegral(RoundingOf(call.variant));
  if (number.is_nan()) {
    call.out[0].bits = from == Type::kF64 || bits == 64 ? uint64_t{1} << (bits - 1) : 0;
    return;
  }
  call.out[0].bits = Truncate(ClampedInteger(number, to), bits);
}

void FloatToFloat(Call& call) {
  ExactNumber number = Source(call, call.in[0], call.variant.types[1]);
  if (RoundsToIntegral(call.variant)) {
    number = number.ToIntegral(RoundingOf(call.variant));
  }
  call.out[0] = ToFloat(call, number, call.variant.types[0]);
}

// tf32 leaves its low 13 bits open.
void ToTf32(Call& call) {
  call.out[0] = ToFloat(call, Source(call, call.in[0], Type::kF32), Type::kTf32);
  call.out[0].bits <<= 13;
  call.out[0].open_bits = 0x1fff;
}

// Two f32 to a pair; the first operand becomes the upper half.
void PairFromFloats(Call& call) {
  const Type element = PackingOf(call.variant.type()).element;
  const unsigned width = FormatOf(element).bits() <= 4 ? 4 : ptx::BitsOf(call.variant.type()) / 2;
  const Expected upper = ToFloat(call, Source(call, call.in[0], Type::kF32), element);
  const Expected lower = ToFloat(call, Source(call, call.in[1], Type::kF32), element);
  call.out[0].bits = upper.bits << width | lower.bits;
  call.out[0].either_zero = upper.either_zero || lower.either_zero;
  call.out[0].is_this_nan = upper.is_this_nan || lower.is_this_nan;
}

// A pair to a pair of another format.
void PairFromPair(Call& call) {
  const Type to = PackingOf(call.variant.types[0]).element;
  const Type from = PackingOf(call.variant.types[1]).element;
  const unsigned to_width = ptx::BitsOf(call.variant.types[0]) / 2;
  const unsigned from_width = ptx::BitsOf(call.variant.types[1]) / 2;
  for (unsigned lane = 0; lane < 2; ++lane) {
    const uint64_t part = Truncate(call.in[0] >> (lane * from_width), FormatOf(from).bits());
    const Expected one = ToFloat(call, ExactNumber::FromBits(part, FormatOf(from)), to);
    call.out[0].bits |= one.bits << (lane * to_width);
    call.out[0].either_zero = call.out[0].either_zero || one.either_zero;
    call.out[0].is_this_nan = call.out[0].is_this_nan || one.is_this_nan;
  }
}

// Two s32 clamped and joined, below what c holds.
void Pack(Call& call) {
  const Type to = call.variant.type();
  const unsigned bits = ptx::BitsOf(to);
  const auto clamped = [&](uint64_t value) {
    return Truncate(ClampedInteger(FromInteger(value, Type::kS32), to), bits);
  };
  const uint64_t pair = clamped(call.in[0]) << bits | clamped(call.in[1]);
  call.out[0].bits = Truncate(call.in[2] << (2 * bits) | pair, 32);
}

bool IsPack(const Variant& variant) {
  return variant.Has(Modifier::kPack);
}

bool IsPackOfTwo(const Variant& variant) {
  return IsPack(variant) && variant.operands.size() == 3;
}

bool OfTf32(const Variant& variant) {
  return variant.type() == Type::kTf32;
}

bool OfPairs(const Variant& variant) {
  return PackingOf(variant.types[0]).count == 2 && PackingOf(variant.types[1]).count == 2 &&
         PackingOf(variant.types[0]).element != Type::kUe8m0 &&
         PackingOf(variant.types[1]).element != Type::kUe8m0;
}

bool FromFloats(const Variant& variant) {
  return PackingOf(variant.types[0]).count == 2 && variant.types[1] == Type::kF32 &&
         PackingOf(variant.types[0]).element != Type::kUe8m0 && !variant.Has(Modifier::kRs);
}

bool Scalars(const Variant& variant, bool to_float, bool from_float) {
  return variant.types.size() == 2 && ptx::IsFloat(variant.types[0]) == to_float &&
         ptx::IsFloat(variant.types[1]) == from_float &&
         (to_float || ptx::IsInteger(variant.types[0])) &&
         (from_float || ptx::IsInteger(variant.types[1]));
}

constexpr Row kRows[] = {
    {Opcode::kCvt, IsPackOfTwo, "b", "bb", false, Pack},
    {Opcode::kCvt, IsPack, "b", "bbb", false, Pack},
    {Opcode::kCvt, OfTf32, "b", "f", false, ToTf32},
    {Opcode::kCvt, OfPairs, "m", "s", false, PairFromPair},
    {Opcode::kCvt, FromFloats, "m", "ss", false, PairFromFloats},
    {Opcode::kCvt, [](const Variant& v) { return Scalars(v, false, false); }, "m", "s", false,
     IntegerToInteger},
    {Opcode::kCvt, [](const Variant& v) { return Scalars(v, true, false); }, "m", "s", false,
     IntegerToFloat},
    {Opcode::kCvt, [](const Variant& v) { return Scalars(v, false, true); }, "m", "s", false,
     FloatToInteger},
    {Opcode::kCvt, [](const Variant& v) { return Scalars(v, true, true); }, "m", "s", false,
     FloatToFloat},
};

}  // namespace

std::span<const Row> ConvertSemantics() {
  return kRows;
}

}  // namespace farlane::soft::isa
