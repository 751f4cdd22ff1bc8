// SPDX-License-Identifier: Apache-2.0
// Comparisons and choices: setp, set, selp, slct, testp.
#include <optional>

#include "tests/unit/soft-gpu/isa/oracle/semantics.h"

namespace farlane::soft::isa {
namespace {

using ptx::Modifier;
using ptx::Opcode;
using ptx::Type;

// Less, equal, greater, or nothing for a NaN. lo, ls, hi and hs stand for lt, le, gt and ge of
// unsigned numbers.
bool Holds(const Call& call, std::optional<int> order) {
  const auto has = [&](Modifier ordered, Modifier unordered) {
    return call.Has(unordered) || call.Has(ordered);
  };
  const bool is_nan = !order.has_value();
  const int o = order.value_or(0);
  if (call.Has(Modifier::kIsNum) || call.Has(Modifier::kIsNan)) {
    return is_nan == call.Has(Modifier::kIsNan);
  }
  if (is_nan) {
    return call.Has(Modifier::kEqu) || call.Has(Modifier::kNeu) || call.Has(Modifier::kLtu) ||
           call.Has(Modifier::kLeu) || call.Has(Modifier::kGtu) || call.Has(Modifier::kGeu);
  }
  return has(Modifier::kEq, Modifier::kEqu)                              ? o == 0
         : has(Modifier::kNe, Modifier::kNeu)                            ? o != 0
         : has(Modifier::kLt, Modifier::kLtu) || call.Has(Modifier::kLo) ? o < 0
         : has(Modifier::kLe, Modifier::kLeu) || call.Has(Modifier::kLs) ? o <= 0
         : has(Modifier::kGt, Modifier::kGtu) || call.Has(Modifier::kHi) ? o > 0
                                                                         : o >= 0;
}

template <typename T>
int Order(T a, T b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

std::optional<int> OrderOf(const Call& call, uint64_t a, uint64_t b, Type type) {
  if (ptx::IsFloat(type)) {
    const ExactNumber x = Operand(call, a, type);
    const ExactNumber y = Operand(call, b, type);
    return x.is_nan() || y.is_nan() ? std::nullopt : std::optional(ExactNumber::Compare(x, y));
  }
  const unsigned bits = ptx::BitsOf(type);
  return ptx::IsSigned(type) ? Order(SignExtend(a, bits), SignExtend(b, bits)) : Order(a, b);
}

bool Joined(const Call& call, bool result, uint64_t with) {
  return call.Has(Modifier::kAnd)   ? result && with != 0
         : call.Has(Modifier::kOr)  ? result || with != 0
         : call.Has(Modifier::kXor) ? result != (with != 0)
                                    : result;
}

void SetPredicate(Call& call) {
  const bool result = Holds(call, OrderOf(call, call.in[0], call.in[1], call.type));
  call.out[0].bits = Joined(call, result, call.in[2]);
  call.out[1].bits = Joined(call, !result, call.in[2]);
}

bool LaneHolds(const Call& call, unsigned lane, Type packed) {
  const Type element = PackingOf(packed).element;
  const auto part = [&](uint64_t bits) { return Truncate(bits >> (16 * lane), 16); };
  return Joined(call, Holds(call, OrderOf(call, part(call.in[0]), part(call.in[1]), element)),
                call.in[2]);
}

void SetPredicates(Call& call) {
  call.out[0].bits = LaneHolds(call, 0, call.variant.type());
  call.out[1].bits = LaneHolds(call, 1, call.variant.type());
}

// True in a type: 1 for floats, all ones for integers.
uint64_t TrueOf(Type type) {
  return ptx::IsFloat(type)
             ? ExactNumber::FromInteger(false, 1).ToBits(FormatOf(type), Rounding::kZero)
             : Truncate(~uint64_t{0}, ptx::BitsOf(type));
}

void Set(Call& call) {
  const bool result = Holds(call, OrderOf(call, call.in[0], call.in[1], call.variant.types[1]));
  call.out[0].bits = Joined(call, result, call.in[2]) ? TrueOf(call.variant.type()) : 0;
}

// Each half of the result is 1 as a float, or 16 ones.
void SetPacked(Call& call) {
  const Type element = PackingOf(call.variant.type()).element;
  const uint64_t yes = ptx::IsFloat(element) ? TrueOf(element) : 0xffff;
  for (unsigned lane = 0; lane < 2; ++lane) {
    call.out[0].bits |= LaneHolds(call, lane, call.variant.types[1]) ? yes << (16 * lane) : 0;
  }
}

void Select(Call& call) {
  call.out[0].bits = call.in[2] != 0 ? call.in[0] : call.in[1];
  call.out[0].is_this_nan = true;
}

// A NaN is not at least zero; -0 is.
void SelectBySign(Call& call) {
  const Type type = call.variant.types[1];
  const std::optional<int> order = OrderOf(call, call.in[2], 0, type);
  call.out[0].bits = order.has_value() && *order >= 0 ? call.in[0] : call.in[1];
  call.out[0].is_this_nan = true;
}

void TestProperty(Call& call) {
  const FloatFormat format = FormatOf(call.type);
  const ExactNumber number = ExactNumber::FromBits(call.in[0], format);
  const bool is_infinite = number.kind() == ExactNumber::Kind::kInfinite;
  const bool is_small = format.is_subnormal_or_zero(call.in[0]);
  const bool is_finite = !is_infinite && !number.is_nan();
  call.out[0].bits = call.Has(Modifier::kFinite)       ? is_finite
                     : call.Has(Modifier::kInfinite)   ? is_infinite
                     : call.Has(Modifier::kNumber)     ? !number.is_nan()
                     : call.Has(Modifier::kNotanumber) ? number.is_nan()
                     : call.Has(Modifier::kNormal)     ? is_finite && !is_small
                                                       : is_small && !number.is_zero();
}

bool Joins(const Variant& variant) {
  return variant.Has(Modifier::kAnd) || variant.Has(Modifier::kOr) || variant.Has(Modifier::kXor);
}

bool ComparesPacked(const Variant& variant) {
  return PackingOf(variant.types.back()).count == 2;
}

bool ComparesPackedAndJoins(const Variant& variant) {
  return ComparesPacked(variant) && Joins(variant);
}

constexpr Row kRows[] = {
    {Opcode::kSetp, ComparesPackedAndJoins, "pp", "mmp", false, SetPredicates},
    {Opcode::kSetp, ComparesPacked, "pp", "mm", false, SetPredicates},
    {Opcode::kSetp, Joins, "pp", "mmp", false, SetPredicate},
    {Opcode::kSetp, AnyVariant, "pp", "mm", false, SetPredicate},
    {Opcode::kSet, ComparesPackedAndJoins, "m", "ssp", false, SetPacked},
    {Opcode::kSet, ComparesPacked, "m", "ss", false, SetPacked},
    {Opcode::kSet, Joins, "m", "ssp", false, Set},
    {Opcode::kSet, AnyVariant, "m", "ss", false, Set},
    {Opcode::kSelp, AnyVariant, "m", "mmp", false, Select},
    {Opcode::kSlct, AnyVariant, "m", "mms", false, SelectBySign},
    {Opcode::kTestp, AnyVariant, "p", "m", false, TestProperty},
};

}  // namespace

std::span<const Row> CompareSemantics() {
  return kRows;
}

}  // namespace farlane::soft::isa
