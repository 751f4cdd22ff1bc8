// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/soft-gpu/isa/oracle/warp_semantics.h"

#include <algorithm>
#include <vector>

namespace farlane::soft::isa {

using ptx::Modifier;
using ptx::Opcode;
using ptx::Type;

namespace {

std::vector<unsigned> LanesOf(uint32_t members) {
  std::vector<unsigned> lanes;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if ((members >> lane & 1) != 0) {
      lanes.push_back(lane);
    }
  }
  return lanes;
}

// c: the clamp in bits 0 to 4, in bits 8 to 12 the bits of the lane number that must not change.
LaneExpected Shuffle(const Variant& v, const WarpInputs& in, uint32_t members, unsigned lane) {
  const uint32_t b = in[lane].b & 31;
  const uint32_t clamp = in[lane].c & 31;
  const uint32_t fixed = in[lane].c >> 8 & 31;
  const int limit = static_cast<int>((lane & fixed) | (clamp & ~fixed));
  const int self = static_cast<int>(lane);
  int source = 0;
  bool is_inside = false;
  if (v.Has(Modifier::kUp)) {
    source = self - static_cast<int>(b);
    is_inside = source >= limit;
  } else if (v.Has(Modifier::kDown)) {
    source = self + static_cast<int>(b);
    is_inside = source <= limit;
  } else if (v.Has(Modifier::kBfly)) {
    source = self ^ static_cast<int>(b);
    is_inside = source <= limit;
  } else {
    source = static_cast<int>((lane & fixed) | (b & ~fixed));
    is_inside = source <= limit;
  }
  source = is_inside ? source : self;
  LaneExpected expected;
  expected.predicate.bits = is_inside;
  expected.value.bits = Truncate(in[static_cast<size_t>(source) & 31].value, 32);
  // The value of a lane that does not take part is unpredictable.
  expected.value.is_open = (members >> source & 1) == 0;
  return expected;
}

LaneExpected Vote(const Variant& v, const WarpInputs& in, uint32_t members) {
  uint32_t ballot = 0;
  for (const unsigned lane : LanesOf(members)) {
    const bool vote = ((in[lane].value & 1) != 0) != v.negates;
    ballot |= uint32_t{vote} << lane;
  }
  LaneExpected expected;
  expected.value.bits = v.Has(Modifier::kBallot) ? ballot
                        : v.Has(Modifier::kAll)  ? ballot == members
                        : v.Has(Modifier::kAny)  ? ballot != 0
                                                 : ballot == 0 || ballot == members;
  return expected;
}

LaneExpected Match(const Variant& v, const WarpInputs& in, uint32_t members, unsigned lane) {
  const unsigned bits = ptx::BitsOf(v.type());
  uint32_t same = 0;
  for (const unsigned other : LanesOf(members)) {
    const bool equal = Truncate(in[other].value, bits) == Truncate(in[lane].value, bits);
    same |= uint32_t{equal} << other;
  }
  LaneExpected expected;
  if (v.Has(Modifier::kAny)) {
    expected.value.bits = same;
  } else {
    expected.predicate.bits = same == members;
    expected.value.bits = same == members ? members : 0;
  }
  return expected;
}

uint32_t Reduced(const Variant& v, uint32_t a, uint32_t b) {
  const bool is_signed = v.type() == Type::kS32;
  const bool less = is_signed ? SignExtend(a, 32) < SignExtend(b, 32) : a < b;
  return v.Has(Modifier::kAdd)   ? a + b
         : v.Has(Modifier::kMin) ? (less ? a : b)
         : v.Has(Modifier::kMax) ? (less ? b : a)
         : v.Has(Modifier::kAnd) ? a & b
         : v.Has(Modifier::kOr)  ? a | b
                                 : a ^ b;
}

// min and max of f32: as the instructions of one thread, in any order.
Expected ReducedFloats(const Variant& v, const WarpInputs& in, uint32_t members) {
  const FloatFormat format = FormatOf(Type::kF32);
  ExactNumber result = ExactNumber::Nan();
  bool any_nan = false;
  bool is_first = true;
  for (const unsigned lane : LanesOf(members)) {
    ExactNumber number = ExactNumber::FromBits(Truncate(in[lane].value, 32), format);
    number = v.Has(Modifier::kAbs) ? number.Size() : number;
    any_nan = any_nan || number.is_nan();
    if (number.is_nan()) {
      continue;
    }
    const int order = is_first ? 0 : ExactNumber::Compare(number, result);
    const bool less = order < 0 || (order == 0 && number.negative() && !result.negative());
    const bool more = order > 0 || (order == 0 && !number.negative() && result.negative());
    if (is_first || (v.Has(Modifier::kMin) ? less : more)) {
      result = number;
    }
    is_first = false;
  }
  const bool nan_wins = v.Has(Modifier::kNan) && any_nan;
  Expected expected;
  expected.bits = (nan_wins ? ExactNumber::Nan() : result).ToBits(format, Rounding::kNearestEven);
  return expected;
}

LaneExpected Reduce(const Variant& v, const WarpInputs& in, uint32_t members) {
  LaneExpected expected;
  if (v.type() == Type::kF32) {
    expected.value = ReducedFloats(v, in, members);
    return expected;
  }
  const std::vector<unsigned> lanes = LanesOf(members);
  auto result = static_cast<uint32_t>(in[lanes[0]].value);
  for (size_t i = 1; i < lanes.size(); ++i) {
    result = Reduced(v, result, static_cast<uint32_t>(in[lanes[i]].value));
  }
  expected.value.bits = result;
  return expected;
}

}  // namespace

bool HasWarpSemantics(const Variant& variant) {
  return variant.opcode == Opcode::kShfl || variant.opcode == Opcode::kVote ||
         variant.opcode == Opcode::kMatch || variant.opcode == Opcode::kRedux;
}

LaneExpected WarpResult(const Variant& variant,
                        const WarpInputs& inputs,
                        uint32_t members,
                        unsigned lane) {
  switch (variant.opcode) {
    case Opcode::kShfl:
      return Shuffle(variant, inputs, members, lane);
    case Opcode::kVote:
      return Vote(variant, inputs, members);
    case Opcode::kMatch:
      return Match(variant, inputs, members, lane);
    default:
      return Reduce(variant, inputs, members);
  }
}

}  // namespace farlane::soft::isa
