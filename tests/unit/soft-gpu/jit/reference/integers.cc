// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tests/unit/soft-gpu/jit/reference/reference.h"

namespace farlane::soft::reference {
namespace {

using ptx::Modifier;
using ptx::Opcode;
using Wide = __int128;

unsigned Width(const Variant& v) {
  return ptx::BitsOf(v.type());
}

// The operand as the number its type says.
Wide Number(const Variant& v, uint64_t bits) {
  return ptx::IsSigned(v.type()) ? Wide{AsSigned(bits, Width(v))} : Wide{Truncate(bits, Width(v))};
}

Expected Bits(const Variant& v, Wide value) {
  return {Truncate(static_cast<uint64_t>(value), Width(v))};
}

Expected Clamped32(Wide value) {
  const Wide clamped = std::clamp<Wide>(value, INT32_MIN, INT32_MAX);
  return {Truncate(static_cast<uint64_t>(clamped), 32)};
}

Expected Add(const Variant& v, Inputs in) {
  const Wide sum = Number(v, in[0]) + Number(v, in[1]);
  return v.Has(Modifier::kSat) ? Clamped32(sum) : Bits(v, sum);
}

Expected Sub(const Variant& v, Inputs in) {
  const Wide difference = Number(v, in[0]) - Number(v, in[1]);
  return v.Has(Modifier::kSat) ? Clamped32(difference) : Bits(v, difference);
}

Wide Product(const Variant& v, Inputs in) {
  return Number(v, in[0]) * Number(v, in[1]);
}

Expected Mul(const Variant& v, Inputs in) {
  const Wide product = Product(v, in);
  if (v.Has(Modifier::kWide)) {
    return {Truncate(static_cast<uint64_t>(product), 2 * Width(v))};
  }
  return Bits(v, v.Has(Modifier::kHi) ? product >> Width(v) : product);
}

Expected Mad(const Variant& v, Inputs in) {
  const Wide product = Product(v, in);
  if (v.Has(Modifier::kWide)) {
    return {Truncate(static_cast<uint64_t>(product + in[2]), 2 * Width(v))};
  }
  const Wide part = v.Has(Modifier::kHi) ? product >> Width(v) : product;
  const Wide sum = Number(v, static_cast<uint64_t>(part)) + Number(v, in[2]);
  return v.Has(Modifier::kSat) ? Clamped32(sum) : Bits(v, sum);
}

Wide Product24(const Variant& v, Inputs in) {
  const auto low = [&](uint64_t bits) {
    return ptx::IsSigned(v.type()) ? AsSigned(bits, 24) : static_cast<int64_t>(Truncate(bits, 24));
  };
  const Wide product = Wide{low(in[0])} * low(in[1]);
  return v.Has(Modifier::kHi) ? product >> 16 : product;
}

Expected Mul24(const Variant& v, Inputs in) {
  return Bits(v, Product24(v, in));
}

Expected Mad24(const Variant& v, Inputs in) {
  const Wide product = AsSigned(static_cast<uint64_t>(Product24(v, in)), 32);
  const Wide sum = product + AsSigned(in[2], 32);
  return v.Has(Modifier::kSat) ? Clamped32(sum) : Bits(v, sum);
}

Expected Div(const Variant& v, Inputs in) {
  const Wide divisor = Number(v, in[1]);
  return Bits(v, divisor == 0 ? Wide{-1} : Number(v, in[0]) / divisor);
}

Expected Rem(const Variant& v, Inputs in) {
  const Wide divisor = Number(v, in[1]);
  return Bits(v, divisor == 0 ? Number(v, in[0]) : Number(v, in[0]) % divisor);
}

Expected Abs(const Variant& v, Inputs in) {
  const Wide number = Number(v, in[0]);
  return Bits(v, number < 0 ? -number : number);
}

Expected Neg(const Variant& v, Inputs in) {
  return Bits(v, -Number(v, in[0]));
}

Expected Min(const Variant& v, Inputs in) {
  const Wide smaller = std::min(Number(v, in[0]), Number(v, in[1]));
  return Bits(v, v.Has(Modifier::kRelu) ? std::max<Wide>(smaller, 0) : smaller);
}

Expected Max(const Variant& v, Inputs in) {
  const Wide larger = std::max(Number(v, in[0]), Number(v, in[1]));
  return Bits(v, v.Has(Modifier::kRelu) ? std::max<Wide>(larger, 0) : larger);
}

Expected Sad(const Variant& v, Inputs in) {
  const Wide difference = Number(v, in[0]) - Number(v, in[1]);
  return Bits(v, Number(v, in[2]) + (difference < 0 ? -difference : difference));
}

int64_t Part(uint64_t bits, unsigned index, unsigned width, bool is_signed) {
  const uint64_t part = Truncate(bits >> index * width, width);
  return is_signed ? AsSigned(part, width) : static_cast<int64_t>(part);
}

Expected DotProduct(const Variant& v, Inputs in) {
  const bool is_dp4a = v.opcode == Opcode::kDp4a;
  const bool a_signed = ptx::IsSigned(v.types[0]);
  const bool b_signed = ptx::IsSigned(v.types[1]);
  const unsigned from = v.Has(Modifier::kHi) ? 2 : 0;
  int64_t sum = static_cast<int64_t>(in[2]);
  for (unsigned i = 0; i < (is_dp4a ? 4 : 2); ++i) {
    sum += Part(in[0], i, is_dp4a ? 8 : 16, a_signed) *
           Part(in[1], is_dp4a ? i : from + i, 8, b_signed);
  }
  return {Truncate(static_cast<uint64_t>(sum), 32)};
}

constexpr Row kRows[] = {
    {Opcode::kAdd, false, "m", "mm", Add},          {Opcode::kSub, false, "m", "mm", Sub},
    {Opcode::kMul, false, "w", "mm", Mul},          {Opcode::kMad, false, "w", "mmw", Mad},
    {Opcode::kMul24, false, "m", "mm", Mul24},      {Opcode::kMad24, false, "m", "mmm", Mad24},
    {Opcode::kDiv, false, "m", "mm", Div},          {Opcode::kRem, false, "m", "mm", Rem},
    {Opcode::kAbs, false, "m", "m", Abs},           {Opcode::kNeg, false, "m", "m", Neg},
    {Opcode::kMin, false, "m", "mm", Min},          {Opcode::kMax, false, "m", "mm", Max},
    {Opcode::kSad, false, "m", "mmm", Sad},         {Opcode::kDp4a, false, "3", "333", DotProduct},
    {Opcode::kDp2a, false, "3", "333", DotProduct},
};

}  // namespace

std::span<const Row> IntegerReference() {
  return kRows;
}

}  // namespace farlane::soft::reference
