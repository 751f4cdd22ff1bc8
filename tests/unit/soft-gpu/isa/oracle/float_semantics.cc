// SPDX-License-Identifier: Apache-2.0
// Float operations that PTX rounds exactly, on all formats alike.
#include <utility>

#include "tests/unit/soft-gpu/isa/oracle/semantics.h"

namespace farlane::soft::isa {
namespace {

using ptx::Modifier;
using ptx::Opcode;
using ptx::Type;

ExactNumber In(const Call& call, unsigned index) {
  return Operand(call, call.in[index], call.type);
}

void Give(Call& call, const ExactNumber& number) {
  call.out[0] = Result(call, number, call.type);
}

void Add(Call& call) {
  Give(call, ExactNumber::Add(In(call, 0), In(call, 1), RoundingOf(call.variant)));
}

void Subtract(Call& call) {
  Give(call, ExactNumber::Add(In(call, 0), In(call, 1).Negated(), RoundingOf(call.variant)));
}

void Multiply(Call& call) {
  Give(call, ExactNumber::Multiply(In(call, 0), In(call, 1)));
}

void MultiplyAdd(Call& call) {
  const ExactNumber product = ExactNumber::Multiply(In(call, 0), In(call, 1));
  Give(call, ExactNumber::Add(product, In(call, 2), RoundingOf(call.variant)));
}

// add.f32.f16 and its kin: halves are widened, which is exact, and the rest is f32.
ExactNumber Half(const Call& call, unsigned index) {
  return Operand(call, call.in[index], call.variant.types[1]);
}

void AddHalf(Call& call) {
  Give(call, ExactNumber::Add(Half(call, 0), In(call, 1), RoundingOf(call.variant)));
}

void SubtractHalf(Call& call) {
  Give(call, ExactNumber::Add(Half(call, 0), In(call, 1).Negated(), RoundingOf(call.variant)));
}

void MultiplyAddHalf(Call& call) {
  const ExactNumber product = ExactNumber::Multiply(Half(call, 0), Half(call, 1));
  Give(call, ExactNumber::Add(product, In(call, 2), RoundingOf(call.variant)));
}

void Divide(Call& call) {
  Give(call, ExactNumber::Divide(In(call, 0), In(call, 1)));
}

void Reciprocal(Call& call) {
  Give(call, ExactNumber::Divide(ExactNumber::FromInteger(false, 1), In(call, 0)));
}

void SquareRoot(Call& call) {
  Give(call, ExactNumber::SquareRoot(In(call, 0)));
}

void Absolute(Call& call) {
  Give(call, In(call, 0).Size());
}

void Negate(Call& call) {
  Give(call, In(call, 0).Negated());
}

// The first operand's sign, the rest of the second, whatever it is.
void CopySign(Call& call) {
  const uint64_t sign = FormatOf(call.type).sign_bit();
  call.out[0].bits = (call.in[0] & sign) | (call.in[1] & ~sign);
  call.out[0].is_this_nan = true;
}

// -0 is less than +0.
bool IsLess(const ExactNumber& a, const ExactNumber& b) {
  const int order = ExactNumber::Compare(a, b);
  return order < 0 || (order == 0 && a.negative() && !b.negative());
}

ExactNumber Extremum(const Call& call, const ExactNumber& a, const ExactNumber& b) {
  if (a.is_nan() || b.is_nan()) {
    const bool nan_wins = call.Has(Modifier::kNan);
    return nan_wins || (a.is_nan() && b.is_nan()) ? ExactNumber::Nan() : a.is_nan() ? b : a;
  }
  const bool wants_less = call.variant.opcode == Opcode::kMin;
  return IsLess(a, b) == wants_less ? a : b;
}

// The NaN of f32 and of halves is the canonical one; for f64 the ISA names none.
void GiveExtremum(Call& call, const ExactNumber& number) {
  Give(call, number);
  call.out[0].is_this_nan = call.type != Type::kF64;
}

ExactNumber MaybeSize(const Call& call, const ExactNumber& number) {
  return call.Has(Modifier::kAbs) ? number.Size() : number;
}

// Under .xorsign the sizes are compared, and the signs multiplied.
void ExtremumOfTwo(Call& call) {
  const ExactNumber result =
      Extremum(call, MaybeSize(call, In(call, 0)), MaybeSize(call, In(call, 1)));
  const uint64_t sign = (call.in[0] ^ call.in[1]) & FormatOf(call.type).sign_bit();
  const bool negates = call.Has(Modifier::kXorsign) && sign != 0 && !result.is_nan();
  GiveExtremum(call, negates ? result.Negated() : result);
}

void ExtremumOfThree(Call& call) {
  const ExactNumber first =
      Extremum(call, MaybeSize(call, In(call, 0)), MaybeSize(call, In(call, 1)));
  GiveExtremum(call, Extremum(call, first, MaybeSize(call, In(call, 2))));
}

bool OfTwo(const Variant& variant) {
  return OfFloats(variant) && variant.operands.size() == 3;
}

bool IsMixed(const Variant& variant) {
  return OfFloats(variant) && variant.types.size() == 2;
}

// What only bounds its error is among the approximate ones; .oob has no oracle.
bool IsExact(const Variant& variant) {
  return OfFloats(variant) && !variant.Has(Modifier::kApprox) && !variant.Has(Modifier::kFull) &&
         !variant.Has(Modifier::kOob);
}

constexpr Row kRows[] = {
    {Opcode::kAdd, IsMixed, "m", "sm", false, AddHalf},
    {Opcode::kSub, IsMixed, "m", "sm", false, SubtractHalf},
    {Opcode::kFma, IsMixed, "m", "ssm", false, MultiplyAddHalf},
    {Opcode::kAdd, OfFloats, "m", "mm", true, Add},
    {Opcode::kSub, OfFloats, "m", "mm", true, Subtract},
    {Opcode::kMul, OfFloats, "m", "mm", true, Multiply},
    {Opcode::kFma, IsExact, "m", "mmm", true, MultiplyAdd},
    {Opcode::kMad, OfFloats, "m", "mmm", true, MultiplyAdd},
    {Opcode::kDiv, IsExact, "m", "mm", false, Divide},
    {Opcode::kRcp, IsExact, "m", "m", false, Reciprocal},
    {Opcode::kSqrt, IsExact, "m", "m", false, SquareRoot},
    {Opcode::kAbs, OfFloats, "m", "m", true, Absolute},
    {Opcode::kNeg, OfFloats, "m", "m", true, Negate},
    {Opcode::kMin, OfTwo, "m", "mm", true, ExtremumOfTwo},
    {Opcode::kMax, OfTwo, "m", "mm", true, ExtremumOfTwo},
    {Opcode::kMin, OfFloats, "m", "mmm", false, ExtremumOfThree},
    {Opcode::kMax, OfFloats, "m", "mmm", false, ExtremumOfThree},
    {Opcode::kCopysign, AnyVariant, "m", "mm", false, CopySign},
};

}  // namespace

std::span<const Row> FloatSemantics() {
  return kRows;
}

}  // namespace farlane::soft::isa
