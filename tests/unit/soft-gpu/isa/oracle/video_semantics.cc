// SPDX-License-Identifier: Apache-2.0
// Video instructions: one, two or four small integers at a time. Operands are taken whole (no
// selectors), which is what compilers write.
#include <algorithm>

#include "tests/unit/soft-gpu/isa/oracle/semantics.h"

namespace farlane::soft::isa {
namespace {

using ptx::Modifier;
using ptx::Opcode;
using ptx::Type;

int64_t Value(uint64_t bits, unsigned width, Type type) {
  return ptx::IsSigned(type) ? SignExtend(bits, width)
                             : static_cast<int64_t>(Truncate(bits, width));
}

bool Compares(const Call& call, int64_t a, int64_t b) {
  return call.Has(Modifier::kEq)   ? a == b
         : call.Has(Modifier::kNe) ? a != b
         : call.Has(Modifier::kLt) ? a < b
         : call.Has(Modifier::kLe) ? a <= b
         : call.Has(Modifier::kGt) ? a > b
                                   : a >= b;
}

int64_t ShiftCount(const Call& call, int64_t count) {
  return call.Has(Modifier::kWrap) ? count & 31 : std::min<int64_t>(count, 32);
}

int64_t Operate(const Call& call, int64_t a, int64_t b) {
  switch (call.variant.opcode) {
    case Opcode::kVadd:
    case Opcode::kVadd2:
    case Opcode::kVadd4:
      return a + b;
    case Opcode::kVsub:
    case Opcode::kVsub2:
    case Opcode::kVsub4:
      return a - b;
    case Opcode::kVavrg2:
    case Opcode::kVavrg4:
      return (a + b + (a + b >= 0 ? 1 : 0)) >> 1;
    case Opcode::kVabsdiff:
    case Opcode::kVabsdiff2:
    case Opcode::kVabsdiff4:
      return a < b ? b - a : a - b;
    case Opcode::kVmin:
    case Opcode::kVmin2:
    case Opcode::kVmin4:
      return std::min(a, b);
    case Opcode::kVmax:
    case Opcode::kVmax2:
    case Opcode::kVmax4:
      return std::max(a, b);
    case Opcode::kVshl:
      return static_cast<int64_t>(static_cast<uint64_t>(a) << ShiftCount(call, b));
    case Opcode::kVshr:
      return a >> ShiftCount(call, b);
    default:
      return Compares(call, a, b) ? 1 : 0;
  }
}

int64_t Saturated(const Call& call, int64_t value, unsigned width, Type type) {
  if (!call.Has(Modifier::kSat)) {
    return value;
  }
  const int64_t top = int64_t{1} << width;
  return ptx::IsSigned(type) ? std::clamp(value, -top / 2, top / 2 - 1)
                             : std::clamp<int64_t>(value, 0, top - 1);
}

// vset has two types, and its result is unsigned.
Type ResultType(const Call& call) {
  return call.variant.types.size() == 3 ? call.variant.types[0] : Type::kU32;
}

Type SourceType(const Call& call, unsigned index) {
  return call.variant.types[call.variant.types.size() - 2 + index];
}

// The result, then maybe a second operation with c.
void Scalar(Call& call) {
  const Type type = ResultType(call);
  const int64_t a = Value(call.in[0], 32, SourceType(call, 0));
  const int64_t b = Value(call.in[1], 32, SourceType(call, 1));
  const int64_t result = Saturated(call, Operate(call, a, b), 32, type);
  const int64_t part = Value(Truncate(static_cast<uint64_t>(result), 32), 32, type);
  const int64_t c = Value(call.in[2], 32, type);
  const int64_t joined = call.Has(Modifier::kAdd)   ? part + c
                         : call.Has(Modifier::kMin) ? std::min(part, c)
                         : call.Has(Modifier::kMax) ? std::max(part, c)
                                                    : part;
  call.out[0].bits = Truncate(static_cast<uint64_t>(joined), 32);
}

// Lane by lane; .add sums the lanes up with c instead.
void ByLane(Call& call, unsigned width) {
  const Type type = ResultType(call);
  int64_t sum = static_cast<int64_t>(call.in[2]);
  uint64_t joined = 0;
  for (unsigned shift = 0; shift < 32; shift += width) {
    const int64_t a = Value(Truncate(call.in[0] >> shift, width), width, SourceType(call, 0));
    const int64_t b = Value(Truncate(call.in[1] >> shift, width), width, SourceType(call, 1));
    const int64_t lane = Saturated(call, Operate(call, a, b), width, type);
    sum += lane;
    joined |= Truncate(static_cast<uint64_t>(lane), width) << shift;
  }
  call.out[0].bits = call.Has(Modifier::kAdd) ? Truncate(static_cast<uint64_t>(sum), 32) : joined;
}

void Halves(Call& call) {
  ByLane(call, 16);
}

void Bytes(Call& call) {
  ByLane(call, 8);
}

// a * b + c, .po adds one more, then the shift and the clamp.
void MultiplyAdd(Call& call) {
  const Type type = ResultType(call);
  const bool is_signed = ptx::IsSigned(SourceType(call, 0)) || ptx::IsSigned(SourceType(call, 1));
  __int128 sum = static_cast<__int128>(Value(call.in[0], 32, SourceType(call, 0))) *
                 Value(call.in[1], 32, SourceType(call, 1));
  sum += Value(call.in[2], 32, is_signed ? Type::kS32 : Type::kU32);
  sum += call.Has(Modifier::kPo) ? 1 : 0;
  sum >>= call.Has(Modifier::kShr7) ? 7 : call.Has(Modifier::kShr15) ? 15 : 0;
  const __int128 far = __int128{1} << 40;
  const auto near =
      static_cast<int64_t>(call.Has(Modifier::kSat) ? std::clamp(sum, -far, far) : sum);
  call.out[0].bits = Truncate(static_cast<uint64_t>(Saturated(call, near, 32, type)), 32);
}

bool OfTwo(const Variant& variant) {
  return variant.operands.size() == 3;
}

constexpr Row kRows[] = {
    {Opcode::kVadd, OfTwo, "b", "bb", false, Scalar},
    {Opcode::kVadd, AnyVariant, "b", "bbb", false, Scalar},
    {Opcode::kVsub, OfTwo, "b", "bb", false, Scalar},
    {Opcode::kVsub, AnyVariant, "b", "bbb", false, Scalar},
    {Opcode::kVabsdiff, OfTwo, "b", "bb", false, Scalar},
    {Opcode::kVabsdiff, AnyVariant, "b", "bbb", false, Scalar},
    {Opcode::kVmin, OfTwo, "b", "bb", false, Scalar},
    {Opcode::kVmin, AnyVariant, "b", "bbb", false, Scalar},
    {Opcode::kVmax, OfTwo, "b", "bb", false, Scalar},
    {Opcode::kVmax, AnyVariant, "b", "bbb", false, Scalar},
    {Opcode::kVshl, OfTwo, "b", "bb", false, Scalar},
    {Opcode::kVshl, AnyVariant, "b", "bbb", false, Scalar},
    {Opcode::kVshr, OfTwo, "b", "bb", false, Scalar},
    {Opcode::kVshr, AnyVariant, "b", "bbb", false, Scalar},
    {Opcode::kVset, OfTwo, "b", "bb", false, Scalar},
    {Opcode::kVset, AnyVariant, "b", "bbb", false, Scalar},
    {Opcode::kVmad, AnyVariant, "b", "bbb", false, MultiplyAdd},
    {Opcode::kVadd2, AnyVariant, "b", "bbb", false, Halves},
    {Opcode::kVsub2, AnyVariant, "b", "bbb", false, Halves},
    {Opcode::kVavrg2, AnyVariant, "b", "bbb", false, Halves},
    {Opcode::kVabsdiff2, AnyVariant, "b", "bbb", false, Halves},
    {Opcode::kVmin2, AnyVariant, "b", "bbb", false, Halves},
    {Opcode::kVmax2, AnyVariant, "b", "bbb", false, Halves},
    {Opcode::kVset2, AnyVariant, "b", "bbb", false, Halves},
    {Opcode::kVadd4, AnyVariant, "b", "bbb", false, Bytes},
    {Opcode::kVsub4, AnyVariant, "b", "bbb", false, Bytes},
    {Opcode::kVavrg4, AnyVariant, "b", "bbb", false, Bytes},
    {Opcode::kVabsdiff4, AnyVariant, "b", "bbb", false, Bytes},
    {Opcode::kVmin4, AnyVariant, "b", "bbb", false, Bytes},
    {Opcode::kVmax4, AnyVariant, "b", "bbb", false, Bytes},
    {Opcode::kVset4, AnyVariant, "b", "bbb", false, Bytes},
};

}  // namespace

std::span<const Row> VideoSemantics() {
  return kRows;
}

}  // namespace farlane::soft::isa
