// SPDX-License-Identifier: Apache-2.0
// Integer arithmetic. Nothing here may raise SIGFPE or make poison: divisors are made safe first.
#include "soft-gpu/jit/emitter_table.h"

namespace farlane::soft::jit {
namespace {

using llvm::Intrinsic::ID;
using ptx::Modifier;
using ptx::Opcode;
using ptx::Type;
using V = llvm::Value*;

unsigned BitsOf(const PureContext& c) {
  return ptx::BitsOf(c.type);
}

bool IsSigned(const PureContext& c) {
  return ptx::IsSigned(c.type);
}

V Extend(PureContext& c, V value, unsigned bits) {
  llvm::Type* type = c.emitter.IntType(bits);
  return IsSigned(c) ? c.ir.CreateSExt(value, type) : c.ir.CreateZExt(value, type);
}

// a + b + carry_in; sets the carry flag if the instruction is .cc.
V AddWithCarry(PureContext& c, V a, V b, bool takes_carry) {
  if (!c.Has(Modifier::kCc) && !takes_carry) {
    return c.ir.CreateAdd(a, b);
  }
  const unsigned bits = BitsOf(c);
  llvm::Type* wide = c.emitter.IntType(bits + 1);
  V sum = c.ir.CreateAdd(c.ir.CreateZExt(a, wide), c.ir.CreateZExt(b, wide));
  if (takes_carry) {
    sum = c.ir.CreateAdd(sum, c.ir.CreateZExt(c.emitter.carry(), wide));
  }
  if (c.Has(Modifier::kCc)) {
    c.emitter.SetCarry(c.ir.CreateTrunc(c.ir.CreateLShr(sum, bits), c.ir.getInt1Ty()));
  }
  return c.ir.CreateTrunc(sum, a->getType());
}

// a - b - borrow; the carry flag holds the borrow.
V SubtractWithBorrow(PureContext& c, V a, V b, bool takes_borrow) {
  if (!c.Has(Modifier::kCc) && !takes_borrow) {
    return c.ir.CreateSub(a, b);
  }
  const unsigned bits = BitsOf(c);
  llvm::Type* wide = c.emitter.IntType(bits + 1);
  V difference = c.ir.CreateSub(c.ir.CreateZExt(a, wide), c.ir.CreateZExt(b, wide));
  if (takes_borrow) {
    difference = c.ir.CreateSub(difference, c.ir.CreateZExt(c.emitter.carry(), wide));
  }
  if (c.Has(Modifier::kCc)) {
    c.emitter.SetCarry(c.ir.CreateTrunc(c.ir.CreateLShr(difference, bits), c.ir.getInt1Ty()));
  }
  return c.ir.CreateTrunc(difference, a->getType());
}

V Add(PureContext& c, const Values& v) {
  if (c.Has(Modifier::kSat)) {
    return c.ir.CreateBinaryIntrinsic(llvm::Intrinsic::sadd_sat, v[0], v[1]);
  }
  return AddWithCarry(c, v[0], v[1], c.instruction.opcode == Opcode::kAddc);
}

V Sub(PureContext& c, const Values& v) {
  if (c.Has(Modifier::kSat)) {
    return c.ir.CreateBinaryIntrinsic(llvm::Intrinsic::ssub_sat, v[0], v[1]);
  }
  return SubtractWithBorrow(c, v[0], v[1], c.instruction.opcode == Opcode::kSubc);
}

// The part of the product that .lo, .hi or .wide asks for.
V Product(PureContext& c, V a, V b) {
  const unsigned bits = BitsOf(c);
  if (!c.Has(Modifier::kHi) && !c.Has(Modifier::kWide)) {
    return c.ir.CreateMul(a, b);
  }
  V product = c.ir.CreateMul(Extend(c, a, 2 * bits), Extend(c, b, 2 * bits));
  return c.Has(Modifier::kWide) ? product
                                : c.ir.CreateTrunc(c.ir.CreateLShr(product, bits), a->getType());
}

V Mul(PureContext& c, const Values& v) {
  return Product(c, v[0], v[1]);
}

V Mad(PureContext& c, const Values& v) {
  V product = Product(c, v[0], v[1]);
  if (c.Has(Modifier::kSat)) {
    return c.ir.CreateBinaryIntrinsic(llvm::Intrinsic::sadd_sat, product, v[2]);
  }
  if (c.Has(Modifier::kWide)) {
    return c.ir.CreateAdd(product, v[2]);
  }
  return AddWithCarry(c, product, v[2], c.instruction.opcode == Opcode::kMadc);
}

// The low 24 bits of a value, extended by the type's sign.
V Low24(PureContext& c, V value) {
  V shifted = c.ir.CreateShl(value, 8);
  return IsSigned(c) ? c.ir.CreateAShr(shifted, 8) : c.ir.CreateLShr(shifted, 8);
}

// .lo is the low 32 bits of the 48-bit product, .hi its upper 32.
V Product24(PureContext& c, V a, V b) {
  V product = c.ir.CreateMul(Extend(c, Low24(c, a), 64), Extend(c, Low24(c, b), 64));
  if (c.Has(Modifier::kHi)) {
    product = c.ir.CreateLShr(product, 16);
  }
  return c.ir.CreateTrunc(product, c.ir.getInt32Ty());
}

V Mul24(PureContext& c, const Values& v) {
  return Product24(c, v[0], v[1]);
}

V Mad24(PureContext& c, const Values& v) {
  V product = Product24(c, v[0], v[1]);
  return c.Has(Modifier::kSat)
             ? c.ir.CreateBinaryIntrinsic(llvm::Intrinsic::sadd_sat, product, v[2])
             : c.ir.CreateAdd(product, v[2]);
}

V IsZero(PureContext& c, V value) {
  return c.ir.CreateICmpEQ(value, llvm::ConstantInt::get(value->getType(), 0));
}

// A divisor the CPU accepts: 1 instead of 0, and 1 for (smallest / -1), whose quotient is then
// already the wrapped one and whose remainder is 0.
V SafeDivisor(PureContext& c, V a, V b) {
  llvm::Type* type = b->getType();
  V unsafe = IsZero(c, b);
  if (IsSigned(c)) {
    const llvm::APInt smallest = llvm::APInt::getSignedMinValue(BitsOf(c));
    V overflows = c.ir.CreateAnd(c.ir.CreateICmpEQ(a, llvm::ConstantInt::get(type, smallest)),
                                 c.ir.CreateICmpEQ(b, llvm::Constant::getAllOnesValue(type)));
    unsafe = c.ir.CreateOr(unsafe, overflows);
  }
  return c.ir.CreateSelect(unsafe, llvm::ConstantInt::get(type, 1), b);
}

// x / 0 has all bits set, x % 0 is x: the ISA leaves both open.
V Div(PureContext& c, const Values& v) {
  V divisor = SafeDivisor(c, v[0], v[1]);
  V quotient = IsSigned(c) ? c.ir.CreateSDiv(v[0], divisor) : c.ir.CreateUDiv(v[0], divisor);
  return c.ir.CreateSelect(IsZero(c, v[1]), llvm::Constant::getAllOnesValue(v[0]->getType()),
                           quotient);
}

V Rem(PureContext& c, const Values& v) {
  V divisor = SafeDivisor(c, v[0], v[1]);
  V remainder = IsSigned(c) ? c.ir.CreateSRem(v[0], divisor) : c.ir.CreateURem(v[0], divisor);
  return c.ir.CreateSelect(IsZero(c, v[1]), v[0], remainder);
}

V Abs(PureContext& c, const Values& v) {
  return c.ir.CreateBinaryIntrinsic(llvm::Intrinsic::abs, v[0], c.ir.getFalse());
}

V Neg(PureContext& c, const Values& v) {
  return c.ir.CreateNeg(v[0]);
}

V Extremum(PureContext& c, const Values& v, ID for_signed, ID for_unsigned) {
  V result = c.ir.CreateBinaryIntrinsic(IsSigned(c) ? for_signed : for_unsigned, v[0], v[1]);
  if (!c.Has(Modifier::kRelu)) {
    return result;
  }
  return c.ir.CreateBinaryIntrinsic(llvm::Intrinsic::smax, result,
                                    llvm::ConstantInt::get(result->getType(), 0));
}

V Min(PureContext& c, const Values& v) {
  return Extremum(c, v, llvm::Intrinsic::smin, llvm::Intrinsic::umin);
}

V Max(PureContext& c, const Values& v) {
  return Extremum(c, v, llvm::Intrinsic::smax, llvm::Intrinsic::umax);
}

V Sad(PureContext& c, const Values& v) {
  V larger = Extremum(c, v, llvm::Intrinsic::smax, llvm::Intrinsic::umax);
  V smaller = Extremum(c, v, llvm::Intrinsic::smin, llvm::Intrinsic::umin);
  return c.ir.CreateAdd(v[2], c.ir.CreateSub(larger, smaller));
}

// Byte or half `index` of a register, extended to 32 bits.
V Part(PureContext& c, V value, unsigned index, unsigned bits, bool is_signed) {
  V part = c.ir.CreateTrunc(c.ir.CreateLShr(value, index * bits), c.emitter.IntType(bits));
  return is_signed ? c.ir.CreateSExt(part, c.ir.getInt32Ty())
                   : c.ir.CreateZExt(part, c.ir.getInt32Ty());
}

// dp4a: four products of bytes; dp2a: two of a half (of a) and a byte (of b).
V DotProduct(PureContext& c, const Values& v) {
  const bool is_dp4a = c.instruction.opcode == Opcode::kDp4a;
  const bool a_signed = ptx::IsSigned(c.instruction.types[0]);
  const bool b_signed = ptx::IsSigned(c.instruction.types[1]);
  const unsigned first_byte = !is_dp4a && c.Has(Modifier::kHi) ? 2 : 0;
  V sum = v[2];
  for (unsigned i = 0; i < (is_dp4a ? 4u : 2u); ++i) {
    V a = Part(c, v[0], i, is_dp4a ? 8 : 16, a_signed);
    V b = Part(c, v[1], first_byte + i, 8, b_signed);
    sum = c.ir.CreateAdd(sum, c.ir.CreateMul(a, b));
  }
  return sum;
}

constexpr Slot kMain = Slot::kMain;
constexpr Slot kWide = Slot::kWide;
constexpr Slot kB32 = Slot::kB32;

constexpr PureRow kRows[] = {
    {Opcode::kAdd, Kind::kInteger, kMain, {kMain, kMain}, Add},
    {Opcode::kAddc, Kind::kInteger, kMain, {kMain, kMain}, Add},
    {Opcode::kSub, Kind::kInteger, kMain, {kMain, kMain}, Sub},
    {Opcode::kSubc, Kind::kInteger, kMain, {kMain, kMain}, Sub},
    {Opcode::kMul, Kind::kInteger, kWide, {kMain, kMain}, Mul},
    {Opcode::kMad, Kind::kInteger, kWide, {kMain, kMain, kWide}, Mad},
    {Opcode::kMadc, Kind::kInteger, kMain, {kMain, kMain, kMain}, Mad},
    {Opcode::kMul24, Kind::kInteger, kMain, {kMain, kMain}, Mul24},
    {Opcode::kMad24, Kind::kInteger, kMain, {kMain, kMain, kMain}, Mad24},
    {Opcode::kDiv, Kind::kInteger, kMain, {kMain, kMain}, Div},
    {Opcode::kRem, Kind::kInteger, kMain, {kMain, kMain}, Rem},
    {Opcode::kAbs, Kind::kInteger, kMain, {kMain}, Abs},
    {Opcode::kNeg, Kind::kInteger, kMain, {kMain}, Neg},
    {Opcode::kMin, Kind::kInteger, kMain, {kMain, kMain}, Min},
    {Opcode::kMax, Kind::kInteger, kMain, {kMain, kMain}, Max},
    {Opcode::kSad, Kind::kInteger, kMain, {kMain, kMain, kMain}, Sad},
    {Opcode::kDp4a, Kind::kInteger, kB32, {kB32, kB32, kB32}, DotProduct},
    {Opcode::kDp2a, Kind::kInteger, kB32, {kB32, kB32, kB32}, DotProduct},
};

}  // namespace

std::span<const PureRow> IntegerRows() {
  return kRows;
}

}  // namespace farlane::soft::jit
