// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tests/unit/soft-gpu/jit/reference/reference.h"

namespace farlane::soft::reference {
namespace {

using ptx::Modifier;
using ptx::Opcode;

unsigned Width(const Variant& v) {
  return std::max(ptx::BitsOf(v.type()), 1u);
}

Expected Bits(const Variant& v, uint64_t value) {
  return {Truncate(value, Width(v))};
}

bool BitAt(uint64_t value, unsigned index) {
  return (value >> index & 1) != 0;
}

Expected And(const Variant& v, Inputs in) {
  return Bits(v, in[0] & in[1]);
}

Expected Or(const Variant& v, Inputs in) {
  return Bits(v, in[0] | in[1]);
}

Expected Xor(const Variant& v, Inputs in) {
  return Bits(v, in[0] ^ in[1]);
}

Expected Not(const Variant& v, Inputs in) {
  return Bits(v, ~in[0]);
}

Expected Cnot(const Variant& v, Inputs in) {
  return Bits(v, Truncate(in[0], Width(v)) == 0 ? 1 : 0);
}

Expected Shl(const Variant& v, Inputs in) {
  return in[1] >= Width(v) ? Expected{0} : Bits(v, in[0] << in[1]);
}

Expected Shr(const Variant& v, Inputs in) {
  const uint64_t count = std::min<uint64_t>(in[1], Width(v));
  if (ptx::IsSigned(v.type())) {
    return Bits(v, static_cast<uint64_t>(AsSigned(in[0], Width(v)) >>
                                         std::min<uint64_t>(count, Width(v) - 1)));
  }
  return count == Width(v) ? Expected{0} : Bits(v, Truncate(in[0], Width(v)) >> count);
}

Expected Shf(const Variant& v, Inputs in) {
  const unsigned count = v.Has(Modifier::kClamp) ? std::min<uint64_t>(in[2], 32) : in[2] & 31;
  const uint64_t pair = in[1] << 32 | in[0];
  const bool is_right = v.text().find(".r.") != std::string::npos;
  return Bits(v, is_right ? pair >> count : pair << count >> 32);
}

Expected Popc(const Variant& v, Inputs in) {
  uint64_t count = 0;
  for (unsigned i = 0; i < Width(v); ++i) {
    count += BitAt(in[0], i);
  }
  return {count};
}

Expected Clz(const Variant& v, Inputs in) {
  uint64_t count = 0;
  while (count < Width(v) && !BitAt(in[0], Width(v) - 1 - count)) {
    ++count;
  }
  return {count};
}

Expected Brev(const Variant& v, Inputs in) {
  uint64_t reversed = 0;
  for (unsigned i = 0; i < Width(v); ++i) {
    reversed |= uint64_t{BitAt(in[0], i)} << (Width(v) - 1 - i);
  }
  return {reversed};
}

Expected Bfind(const Variant& v, Inputs in) {
  const bool is_negative = ptx::IsSigned(v.type()) && BitAt(in[0], Width(v) - 1);
  const uint64_t value = is_negative ? ~in[0] : in[0];
  for (int i = static_cast<int>(Width(v)) - 1; i >= 0; --i) {
    if (BitAt(value, i)) {
      return {static_cast<uint64_t>(v.Has(Modifier::kShiftamt) ? Width(v) - 1 - i : i)};
    }
  }
  return {0xffffffff};
}

Expected Bfe(const Variant& v, Inputs in) {
  const unsigned top = Width(v) - 1;
  const unsigned position = in[1] & 0xff;
  const unsigned length = in[2] & 0xff;
  const bool fill =
      ptx::IsSigned(v.type()) && length != 0 && BitAt(in[0], std::min(position + length - 1, top));
  uint64_t field = 0;
  for (unsigned i = 0; i <= top; ++i) {
    const bool bit = i < length && position + i <= top ? BitAt(in[0], position + i) : fill;
    field |= uint64_t{bit} << i;
  }
  return {field};
}

Expected Bfi(const Variant& v, Inputs in) {
  const unsigned position = in[2] & 0xff;
  const unsigned length = in[3] & 0xff;
  uint64_t result = in[1];
  for (unsigned i = 0; i < length && position + i < Width(v); ++i) {
    const uint64_t bit = uint64_t{1} << (position + i);
    result = BitAt(in[0], i) ? result | bit : result & ~bit;
  }
  return {result};
}

Expected Bmsk(const Variant& v, Inputs in) {
  const uint64_t position = v.Has(Modifier::kWrap) ? in[0] & 31 : in[0];
  const uint64_t length = v.Has(Modifier::kWrap) ? in[1] & 31 : in[1];
  uint64_t mask = 0;
  for (uint64_t i = 0; i < 32; ++i) {
    mask |= uint64_t{i >= position && i - position < length} << i;
  }
  return {mask};
}

Expected Szext(const Variant& v, Inputs in) {
  const uint64_t length = v.Has(Modifier::kWrap) ? in[1] & 31 : std::min<uint64_t>(in[1], 32);
  if (length == 0) {
    return {0};
  }
  return Bits(v, ptx::IsSigned(v.type()) ? static_cast<uint64_t>(AsSigned(in[0], length))
                                         : Truncate(in[0], length));
}

// The selectors of the named modes, as tables: mode, then control & 3, lowest byte first.
const char* NamedSelectors(const Variant& v, unsigned control) {
  static constexpr const char* kF4e[] = {"0123", "1234", "2345", "3456"};
  static constexpr const char* kB4e[] = {"0765", "1076", "2107", "3210"};
  static constexpr const char* kRc8[] = {"0000", "1111", "2222", "3333"};
  static constexpr const char* kEcl[] = {"0123", "1123", "2223", "3333"};
  static constexpr const char* kEcr[] = {"0000", "0111", "0122", "0123"};
  static constexpr const char* kRc16[] = {"0101", "2323", "0101", "2323"};
  const unsigned row = control & 3;
  return v.Has(Modifier::kF4e)    ? kF4e[row]
         : v.Has(Modifier::kB4e)  ? kB4e[row]
         : v.Has(Modifier::kRc8)  ? kRc8[row]
         : v.Has(Modifier::kEcl)  ? kEcl[row]
         : v.Has(Modifier::kEcr)  ? kEcr[row]
         : v.Has(Modifier::kRc16) ? kRc16[row]
                                  : nullptr;
}

Expected Prmt(const Variant& v, Inputs in) {
  const uint64_t bytes = in[1] << 32 | in[0];
  const char* const named = NamedSelectors(v, in[2]);
  uint64_t result = 0;
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned selector = named != nullptr ? named[i] - '0' : in[2] >> 4 * i & 15;
    uint64_t byte = bytes >> 8 * (selector & 7) & 0xff;
    if (selector >= 8) {
      byte = byte >= 0x80 ? 0xff : 0;
    }
    result |= byte << 8 * i;
  }
  return {result};
}

constexpr Row kRows[] = {
    {Opcode::kAnd, false, "m", "mm", And},    {Opcode::kOr, false, "m", "mm", Or},
    {Opcode::kXor, false, "m", "mm", Xor},    {Opcode::kNot, false, "m", "m", Not},
    {Opcode::kCnot, false, "m", "m", Cnot},   {Opcode::kShl, false, "m", "m3", Shl},
    {Opcode::kShr, false, "m", "m3", Shr},    {Opcode::kShf, false, "m", "mm3", Shf},
    {Opcode::kPopc, false, "3", "m", Popc},   {Opcode::kClz, false, "3", "m", Clz},
    {Opcode::kBrev, false, "m", "m", Brev},   {Opcode::kBfind, false, "3", "m", Bfind},
    {Opcode::kBfe, false, "m", "m33", Bfe},   {Opcode::kBfi, false, "m", "mm33", Bfi},
    {Opcode::kBmsk, false, "m", "33", Bmsk},  {Opcode::kSzext, false, "m", "m3", Szext},
    {Opcode::kPrmt, false, "m", "mm3", Prmt},
};

}  // namespace

std::span<const Row> BitReference() {
  return kRows;
}

}  // namespace farlane::soft::reference
