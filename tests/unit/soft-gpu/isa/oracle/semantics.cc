// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/soft-gpu/isa/oracle/semantics.h"

#include <algorithm>

namespace farlane::soft::isa {

using ptx::Modifier;
using ptx::Opcode;
using ptx::Type;

namespace {

Type WideOf(Type type) {
  switch (type) {
    case Type::kU16:
      return Type::kU32;
    case Type::kS16:
      return Type::kS32;
    case Type::kU32:
      return Type::kU64;
    default:
      return Type::kS64;
  }
}

// One lane of a packed operand.
uint64_t LaneOf(uint64_t bits, unsigned lane, unsigned width) {
  return Truncate(bits >> (lane * width), width);
}

void ComputeByLane(const Row& row, Call& call, const Packing& packing) {
  const unsigned width = ptx::BitsOf(packing.element);
  const Call whole = call;
  for (unsigned lane = 0; lane < packing.count; ++lane) {
    Call part = whole;
    part.type = packing.element;
    for (size_t i = 0; i < row.inputs.size(); ++i) {
      if (row.inputs[i] == 'm') {
        part.in[i] = LaneOf(whole.in[i], lane, width);
      }
    }
    row.compute(part);
    call.out[lane] = part.out[0];
  }
}

}  // namespace

const Row* FindRowOrNull(const Variant& variant) {
  for (const std::span<const Row> rows :
       {IntegerSemantics(), BitSemantics(), FloatSemantics(), ApproximateSemantics(),
        CompareSemantics(), ConvertSemantics(), VideoSemantics()}) {
    for (const Row& row : rows) {
      if (row.opcode == variant.opcode && row.fits(variant)) {
        return &row;
      }
    }
  }
  return nullptr;
}

Type TypeOfLetter(const Variant& variant, char letter) {
  switch (letter) {
    case 'm':
      return variant.type();
    case 'w':
      return variant.Has(Modifier::kWide) ? WideOf(variant.type()) : variant.type();
    case 's':
      return variant.types.at(1);
    case 't':
      return variant.types.at(2);
    case 'b':
      return Type::kB32;
    case 'f':
      return Type::kF32;
    default:
      return Type::kPred;
  }
}

bool TakesCarry(const Variant& variant) {
  return variant.opcode == Opcode::kAddc || variant.opcode == Opcode::kSubc ||
         variant.opcode == Opcode::kMadc;
}

bool GivesCarry(const Variant& variant) {
  return variant.Has(Modifier::kCc);
}

void Compute(const Row& row, Call& call) {
  for (size_t i = 0; i < row.inputs.size(); ++i) {
    const Type type = TypeOfLetter(call.variant, row.inputs[i]);
    call.in[i] = Truncate(call.in[i], ptx::BitsOf(type));
    if (type == Type::kPred && call.variant.negates) {
      call.in[i] ^= 1;
    }
  }
  const Packing packing = PackingOf(call.variant.type());
  if (row.by_lane && packing.count > 1) {
    ComputeByLane(row, call, packing);
  } else {
    row.compute(call);
  }
}

bool AnyVariant(const Variant&) {
  return true;
}

bool OfIntegers(const Variant& variant) {
  const Type element = PackingOf(variant.type()).element;
  return ptx::IsInteger(element) || element == Type::kPred;
}

bool OfFloats(const Variant& variant) {
  return ptx::IsFloat(PackingOf(variant.type()).element);
}

uint64_t Truncate(uint64_t bits, unsigned width) {
  return width >= 64 ? bits : bits & ((uint64_t{1} << width) - 1);
}

int64_t SignExtend(uint64_t bits, unsigned width) {
  const unsigned shift = 64 - width;
  return static_cast<int64_t>(bits << shift) >> shift;
}

Rounding RoundingOf(const Variant& variant) {
  if (variant.Has(Modifier::kRz) || variant.Has(Modifier::kRzi)) {
    return Rounding::kZero;
  }
  if (variant.Has(Modifier::kRm) || variant.Has(Modifier::kRmi)) {
    return Rounding::kDown;
  }
  if (variant.Has(Modifier::kRp) || variant.Has(Modifier::kRpi)) {
    return Rounding::kUp;
  }
  return variant.Has(Modifier::kRna) ? Rounding::kNearestAway : Rounding::kNearestEven;
}

ExactNumber Operand(const Call& call, uint64_t bits, Type type) {
  const FloatFormat format = FormatOf(type);
  if (call.Has(Modifier::kFtz) && format.is_subnormal_or_zero(bits)) {
    bits &= format.sign_bit();
  }
  return ExactNumber::FromBits(bits, format);
}

Expected Result(const Call& call, const ExactNumber& number, Type type) {
  const FloatFormat format = FormatOf(type);
  const uint64_t one = ExactNumber::FromInteger(false, 1).ToBits(format, Rounding::kZero);
  Expected expected;
  expected.bits = number.ToBits(format, RoundingOf(call.variant));
  // The rounded result counts: one that rounding lifts to the smallest normal number is none.
  if (call.Has(Modifier::kFtz) && format.is_subnormal_or_zero(expected.bits)) {
    expected.bits &= format.sign_bit();
  }
  const bool is_nan = format.is_nan(expected.bits);
  const bool is_negative = (expected.bits & format.sign_bit()) != 0;
  if (call.Has(Modifier::kSat)) {
    // The ISA does not say which zero -0 becomes.
    expected.either_zero = !is_nan && expected.bits == format.sign_bit();
    expected.bits = is_nan || is_negative ? 0 : std::min(expected.bits, one);
  }
  if (call.Has(Modifier::kRelu) && !is_nan && is_negative) {
    expected.either_zero = expected.bits == format.sign_bit();
    expected.bits = 0;
  }
  return expected;
}

}  // namespace farlane::soft::isa
