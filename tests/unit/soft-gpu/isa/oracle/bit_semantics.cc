// SPDX-License-Identifier: Apache-2.0
// Logic, shifts, bit fields and permutations, bit by bit where that is the plainest.
#include <algorithm>
#include <bit>

#include "tests/unit/soft-gpu/isa/oracle/semantics.h"

namespace farlane::soft::isa {
namespace {

using ptx::Modifier;
using ptx::Opcode;
using ptx::Type;

unsigned Bits(const Call& call) {
  return ptx::BitsOf(call.type);
}

bool BitOf(uint64_t value, unsigned index) {
  return (value >> index & 1) != 0;
}

void Give(Call& call, uint64_t bits) {
  call.out[0].bits = Truncate(bits, Bits(call));
}

void And(Call& call) {
  Give(call, call.in[0] & call.in[1]);
}

void Or(Call& call) {
  Give(call, call.in[0] | call.in[1]);
}

void Xor(Call& call) {
  Give(call, call.in[0] ^ call.in[1]);
}

void Not(Call& call) {
  Give(call, ~call.in[0]);
}

void LogicalNot(Call& call) {
  Give(call, call.in[0] == 0 ? 1 : 0);
}

// Counts are unsigned; above the width they count as the width.
void ShiftLeft(Call& call) {
  Give(call, call.in[1] >= Bits(call) ? 0 : call.in[0] << call.in[1]);
}

void ShiftRight(Call& call) {
  const bool fills = ptx::IsSigned(call.type) && BitOf(call.in[0], Bits(call) - 1);
  uint64_t value = 0;
  for (unsigned i = 0; i < Bits(call); ++i) {
    const uint64_t from = i + call.in[1];
    const bool bit = from < Bits(call) ? BitOf(call.in[0], static_cast<unsigned>(from)) : fills;
    value |= uint64_t{bit} << i;
  }
  Give(call, value);
}

void Funnel(Call& call) {
  const uint64_t joined = call.in[1] << 32 | call.in[0];
  const uint64_t count =
      call.Has(Modifier::kWrap) ? call.in[2] & 31 : std::min<uint64_t>(call.in[2], 32);
  Give(call, call.Has(Modifier::kComponentR) ? joined >> count
                                             : (count == 0 ? call.in[1] : joined >> (32 - count)));
}

void PopulationCount(Call& call) {
  call.out[0].bits = static_cast<uint64_t>(std::popcount(call.in[0]));
}

void LeadingZeros(Call& call) {
  unsigned count = 0;
  while (count < Bits(call) && !BitOf(call.in[0], Bits(call) - 1 - count)) {
    ++count;
  }
  call.out[0].bits = count;
}

void Reverse(Call& call) {
  uint64_t value = 0;
  for (unsigned i = 0; i < Bits(call); ++i) {
    value |= uint64_t{BitOf(call.in[0], i)} << (Bits(call) - 1 - i);
  }
  Give(call, value);
}

void FindBit(Call& call) {
  const unsigned top = Bits(call) - 1;
  const bool inverts = ptx::IsSigned(call.type) && BitOf(call.in[0], top);
  call.out[0].bits = 0xffffffff;
  for (unsigned i = 0; i <= top; ++i) {
    if (BitOf(call.in[0], i) != inverts) {
      call.out[0].bits = call.Has(Modifier::kShiftamt) ? top - i : i;
    }
  }
}

void ExtractField(Call& call) {
  const unsigned top = Bits(call) - 1;
  const auto position = static_cast<unsigned>(call.in[1] & 255);
  const auto length = static_cast<unsigned>(call.in[2] & 255);
  const bool sign = ptx::IsSigned(call.type) && length != 0 &&
                    BitOf(call.in[0], std::min(position + length - 1, top));
  uint64_t value = 0;
  for (unsigned i = 0; i <= top; ++i) {
    const bool inside = i < length && position + i <= top;
    value |= uint64_t{inside ? BitOf(call.in[0], position + i) : sign} << i;
  }
  Give(call, value);
}

void InsertField(Call& call) {
  const auto position = static_cast<unsigned>(call.in[2] & 255);
  const auto length = static_cast<unsigned>(call.in[3] & 255);
  uint64_t value = call.in[1];
  for (unsigned i = 0; i < length && position + i < Bits(call); ++i) {
    const uint64_t bit = uint64_t{1} << (position + i);
    value = BitOf(call.in[0], i) ? value | bit : value & ~bit;
  }
  Give(call, value);
}

// .clamp: counts above 32 are 32; .wrap: the low five bits count.
void BitMask(Call& call) {
  const auto number = [&](uint64_t value) {
    return call.Has(Modifier::kWrap) ? value & 31 : std::min<uint64_t>(value, 32);
  };
  const uint64_t first = number(call.in[0]);
  const uint64_t length = number(call.in[1]);
  uint64_t value = 0;
  for (uint64_t i = first; i < first + length && i < 32; ++i) {
    value |= uint64_t{1} << i;
  }
  Give(call, value);
}

void Extend(Call& call) {
  const uint64_t width =
      call.Has(Modifier::kWrap) ? call.in[1] & 31 : std::min<uint64_t>(call.in[1], 32);
  const bool sign =
      ptx::IsSigned(call.type) && width != 0 && BitOf(call.in[0], static_cast<unsigned>(width) - 1);
  uint64_t value = 0;
  for (unsigned i = 0; i < 32; ++i) {
    value |= uint64_t{i < width ? BitOf(call.in[0], i) : sign} << i;
  }
  Give(call, value);
}

// Which of the eight bytes goes to place `index`, for the named modes; a row per value of the low
// two bits of c, the byte for d's top place first.
constexpr uint8_t kForward[4][4] = {{3, 2, 1, 0}, {4, 3, 2, 1}, {5, 4, 3, 2}, {6, 5, 4, 3}};
constexpr uint8_t kBackward[4][4] = {{5, 6, 7, 0}, {6, 7, 0, 1}, {7, 0, 1, 2}, {0, 1, 2, 3}};
constexpr uint8_t kReplicate8[4][4] = {{0, 0, 0, 0}, {1, 1, 1, 1}, {2, 2, 2, 2}, {3, 3, 3, 3}};
constexpr uint8_t kEdgeLeft[4][4] = {{3, 2, 1, 0}, {3, 2, 1, 1}, {3, 2, 2, 2}, {3, 3, 3, 3}};
constexpr uint8_t kEdgeRight[4][4] = {{0, 0, 0, 0}, {1, 1, 1, 0}, {2, 2, 1, 0}, {3, 2, 1, 0}};
constexpr uint8_t kReplicate16[4][4] = {{1, 0, 1, 0}, {3, 2, 3, 2}, {1, 0, 1, 0}, {3, 2, 3, 2}};

const uint8_t (*NamedMode(const Call& call))[4] {
  return call.Has(Modifier::kF4e)    ? kForward
         : call.Has(Modifier::kB4e)  ? kBackward
         : call.Has(Modifier::kRc8)  ? kReplicate8
         : call.Has(Modifier::kEcl)  ? kEdgeLeft
         : call.Has(Modifier::kEcr)  ? kEdgeRight
         : call.Has(Modifier::kRc16) ? kReplicate16
                                     : nullptr;
}

void Permute(Call& call) {
  const uint64_t bytes = call.in[1] << 32 | call.in[0];
  const uint8_t(*const mode)[4] = NamedMode(call);
  uint64_t value = 0;
  for (unsigned place = 0; place < 4; ++place) {
    const auto selector = static_cast<unsigned>(mode != nullptr ? mode[call.in[2] & 3][3 - place]
                                                                : call.in[2] >> (4 * place) & 15);
    const uint64_t byte = bytes >> (8 * (selector & 7)) & 255;
    const uint64_t chosen = (selector & 8) == 0 ? byte : (byte & 128) != 0 ? 255 : 0;
    value |= chosen << (8 * place);
  }
  Give(call, value);
}

// The table is indexed by the bits of a, b and c, a's the highest.
uint64_t Looked(const Call& call) {
  uint64_t value = 0;
  for (unsigned i = 0; i < 32; ++i) {
    const unsigned index = (BitOf(call.in[0], i) ? 4 : 0) + (BitOf(call.in[1], i) ? 2 : 0) +
                           (BitOf(call.in[2], i) ? 1 : 0);
    value |= uint64_t{BitOf(static_cast<uint64_t>(call.variant.immediate), index)} << i;
  }
  return value;
}

void LookUp(Call& call) {
  Give(call, Looked(call));
}

void LookUpAndTest(Call& call) {
  Give(call, Looked(call));
  const bool any = call.out[0].bits != 0;
  const bool with = call.in[3] != 0;
  call.out[1].bits = call.Has(Modifier::kAnd) ? any && with : any || with;
}

bool LooksUpOnly(const Variant& variant) {
  return !variant.Has(Modifier::kAnd) && !variant.Has(Modifier::kOr);
}

// The n-th set bit from a base, up for a positive n, down for a negative; 0: the base itself if it
// is set. None: all ones.
void FindNthSet(Call& call) {
  const auto base = static_cast<int64_t>(call.in[1]);
  const int64_t offset = SignExtend(call.in[2], 32);
  call.out[0].bits = 0xffffffff;
  call.out[0].is_open = base > 31;
  if (base > 31) {
    return;
  }
  int64_t left = offset < 0 ? -offset : std::max<int64_t>(offset, 1);
  const int step = offset < 0 ? -1 : 1;
  for (int64_t at = base; at >= 0 && at < 32; at += step) {
    left -= BitOf(call.in[0], static_cast<unsigned>(at)) ? 1 : 0;
    if (left == 0) {
      call.out[0].bits = static_cast<uint64_t>(at);
      return;
    }
    if (offset == 0) {
      return;
    }
  }
}

constexpr Row kRows[] = {
    {Opcode::kAnd, AnyVariant, "m", "mm", false, And},
    {Opcode::kOr, AnyVariant, "m", "mm", false, Or},
    {Opcode::kXor, AnyVariant, "m", "mm", false, Xor},
    {Opcode::kNot, AnyVariant, "m", "m", false, Not},
    {Opcode::kCnot, AnyVariant, "m", "m", false, LogicalNot},
    {Opcode::kShl, AnyVariant, "m", "mb", false, ShiftLeft},
    {Opcode::kShr, AnyVariant, "m", "mb", false, ShiftRight},
    {Opcode::kShf, AnyVariant, "m", "mmb", false, Funnel},
    {Opcode::kPopc, AnyVariant, "b", "m", false, PopulationCount},
    {Opcode::kClz, AnyVariant, "b", "m", false, LeadingZeros},
    {Opcode::kBrev, AnyVariant, "m", "m", false, Reverse},
    {Opcode::kBfind, AnyVariant, "b", "m", false, FindBit},
    {Opcode::kBfe, AnyVariant, "m", "mbb", false, ExtractField},
    {Opcode::kBfi, AnyVariant, "m", "mmbb", false, InsertField},
    {Opcode::kBmsk, AnyVariant, "m", "bb", false, BitMask},
    {Opcode::kSzext, AnyVariant, "m", "mb", false, Extend},
    {Opcode::kPrmt, AnyVariant, "m", "mmb", false, Permute},
    {Opcode::kLop3, LooksUpOnly, "m", "mmm", false, LookUp},
    {Opcode::kLop3, AnyVariant, "mp", "mmmp", false, LookUpAndTest},
    {Opcode::kFns, AnyVariant, "m", "mbb", false, FindNthSet},
};

}  // namespace

std::span<const Row> BitSemantics() {
  return kRows;
}

}  // namespace farlane::soft::isa
