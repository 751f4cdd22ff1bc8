// SPDX-License-Identifier: Apache-2.0
// Integer arithmetic: sums, products, quotients, carries, dot products.
#include <algorithm>

#include "tests/unit/soft-gpu/isa/oracle/semantics.h"

namespace farlane::soft::isa {
namespace {

using ptx::Modifier;
using ptx::Opcode;
using ptx::Type;
using Wide = __int128;

unsigned Bits(const Call& call) {
  return ptx::BitsOf(call.type);
}

// The value an operand has by its type.
Wide Value(const Call& call, uint64_t bits) {
  return ptx::IsSigned(call.type) ? Wide{SignExtend(bits, Bits(call))} : Wide{bits};
}

Wide In(const Call& call, unsigned index) {
  return Value(call, call.in[index]);
}

void Give(Call& call, Wide value, unsigned bits) {
  call.out[0].bits = Truncate(static_cast<uint64_t>(value), bits);
}

Wide Saturated(Wide value) {
  return std::clamp<Wide>(value, INT32_MIN, INT32_MAX);
}

// Sums go over the unsigned values, so that what leaves the top is the carry; a difference leaves
// a borrow there.
void GiveSum(Call& call, Wide sum) {
  Give(call, sum, Bits(call));
  call.carry_out = (sum >> Bits(call)) != 0;
}

void Add(Call& call) {
  if (call.Has(Modifier::kSat)) {
    Give(call, Saturated(In(call, 0) + In(call, 1)), Bits(call));
    return;
  }
  GiveSum(call, Wide{call.in[0]} + call.in[1] + (call.carry_in ? 1 : 0));
}

void Subtract(Call& call) {
  if (call.Has(Modifier::kSat)) {
    Give(call, Saturated(In(call, 0) - In(call, 1)), Bits(call));
    return;
  }
  GiveSum(call, Wide{call.in[0]} - call.in[1] - (call.carry_in ? 1 : 0));
}

// The part of the product that the modifiers name.
Wide Product(const Call& call) {
  const unsigned __int128 product =
      static_cast<unsigned __int128>(In(call, 0)) * static_cast<unsigned __int128>(In(call, 1));
  return static_cast<Wide>(product) >> (call.Has(Modifier::kHi) ? Bits(call) : 0);
}

void Multiply(Call& call) {
  Give(call, Product(call), call.Has(Modifier::kWide) ? 2 * Bits(call) : Bits(call));
}

void MultiplyAdd(Call& call) {
  const unsigned bits = Bits(call);
  if (call.Has(Modifier::kSat)) {
    Give(call, Saturated(Product(call) + In(call, 2)), bits);
  } else if (call.Has(Modifier::kWide)) {
    const auto product = static_cast<uint64_t>(Product(call));
    call.out[0].bits = Truncate(product + call.in[2], 2 * bits);
  } else {
    const uint64_t part = Truncate(static_cast<uint64_t>(Product(call)), bits);
    GiveSum(call, Wide{part} + call.in[2] + (call.carry_in ? 1 : 0));
  }
}

// 24 bits of each factor; .lo the low 32 bits of the 48, .hi the high 32.
Wide Product24(const Call& call) {
  const auto low24 = [&](uint64_t bits) {
    return ptx::IsSigned(call.type) ? SignExtend(bits, 24)
                                    : static_cast<int64_t>(Truncate(bits, 24));
  };
  return Wide{low24(call.in[0]) * low24(call.in[1]) >> (call.Has(Modifier::kHi) ? 16 : 0)};
}

void Multiply24(Call& call) {
  Give(call, Product24(call), 32);
}

void MultiplyAdd24(Call& call) {
  const Wide product = Value(call, Truncate(static_cast<uint64_t>(Product24(call)), 32));
  const Wide sum = product + In(call, 2);
  Give(call, call.Has(Modifier::kSat) ? Saturated(sum) : sum, 32);
}

// A quotient by zero is open. The documentation of the software GPU promises all ones and the
// dividend, so that is asked for. The smallest number by -1 wraps.
void Divide(Call& call) {
  Give(call, call.in[1] == 0 ? -1 : In(call, 0) / In(call, 1), Bits(call));
}

void Remainder(Call& call) {
  Give(call, call.in[1] == 0 ? In(call, 0) : In(call, 0) % In(call, 1), Bits(call));
}

void AbsoluteDifferenceSum(Call& call) {
  const Wide difference = In(call, 0) - In(call, 1);
  Give(call, In(call, 2) + (difference < 0 ? -difference : difference), Bits(call));
}

void Absolute(Call& call) {
  Give(call, In(call, 0) < 0 ? -In(call, 0) : In(call, 0), Bits(call));
}

void Negate(Call& call) {
  Give(call, -In(call, 0), Bits(call));
}

void GiveExtremum(Call& call, Wide value) {
  Give(call, call.Has(Modifier::kRelu) ? std::max<Wide>(value, 0) : value, Bits(call));
}

void Minimum(Call& call) {
  GiveExtremum(call, std::min(In(call, 0), In(call, 1)));
}

void Maximum(Call& call) {
  GiveExtremum(call, std::max(In(call, 0), In(call, 1)));
}

int64_t Part(uint64_t bits, unsigned index, unsigned width, Type type) {
  const uint64_t part = Truncate(bits >> (index * width), width);
  return ptx::IsSigned(type) ? SignExtend(part, width) : static_cast<int64_t>(part);
}

// The types are those of a's and b's parts; c and d are 32 bits wide.
void DotProduct4(Call& call) {
  int64_t sum = static_cast<int64_t>(call.in[2]);
  for (unsigned i = 0; i < 4; ++i) {
    sum += Part(call.in[0], i, 8, call.variant.types[0]) *
           Part(call.in[1], i, 8, call.variant.types[1]);
  }
  Give(call, sum, 32);
}

void DotProduct2(Call& call) {
  const unsigned first = call.Has(Modifier::kHi) ? 2 : 0;
  int64_t sum = static_cast<int64_t>(call.in[2]);
  for (unsigned i = 0; i < 2; ++i) {
    sum += Part(call.in[0], i, 16, call.variant.types[0]) *
           Part(call.in[1], first + i, 8, call.variant.types[1]);
  }
  Give(call, sum, 32);
}

constexpr Row kRows[] = {
    {Opcode::kAdd, OfIntegers, "m", "mm", true, Add},
    {Opcode::kAddc, OfIntegers, "m", "mm", false, Add},
    {Opcode::kSub, OfIntegers, "m", "mm", false, Subtract},
    {Opcode::kSubc, OfIntegers, "m", "mm", false, Subtract},
    {Opcode::kMul, OfIntegers, "w", "mm", false, Multiply},
    {Opcode::kMad, OfIntegers, "w", "mmw", false, MultiplyAdd},
    {Opcode::kMadc, OfIntegers, "m", "mmm", false, MultiplyAdd},
    {Opcode::kMul24, OfIntegers, "m", "mm", false, Multiply24},
    {Opcode::kMad24, OfIntegers, "m", "mmm", false, MultiplyAdd24},
    {Opcode::kDiv, OfIntegers, "m", "mm", false, Divide},
    {Opcode::kRem, OfIntegers, "m", "mm", false, Remainder},
    {Opcode::kSad, OfIntegers, "m", "mmm", false, AbsoluteDifferenceSum},
    {Opcode::kAbs, OfIntegers, "m", "m", false, Absolute},
    {Opcode::kNeg, OfIntegers, "m", "m", false, Negate},
    {Opcode::kMin, OfIntegers, "m", "mm", true, Minimum},
    {Opcode::kMax, OfIntegers, "m", "mm", true, Maximum},
    {Opcode::kDp4a, AnyVariant, "b", "bbb", false, DotProduct4},
    {Opcode::kDp2a, AnyVariant, "b", "bbb", false, DotProduct2},
};

}  // namespace

std::span<const Row> IntegerSemantics() {
  return kRows;
}

}  // namespace farlane::soft::isa
