// SPDX-License-Identifier: Apache-2.0
// Exact floating-point arithmetic. No fast-math flag is ever set: the compiler that made the PTX
// has contracted and reordered what it was allowed to.
#include "soft-gpu/jit/emitter_table.h"
#include "soft-gpu/jit/flush.h"
#include "soft-gpu/jit/half.h"
#include "soft-gpu/jit/rounding.h"

namespace farlane::soft::jit {
namespace {

using llvm::Intrinsic::ID;
using ptx::Modifier;
using ptx::Opcode;
using ptx::Type;
using V = llvm::Value*;

bool IsF64(const PureContext& c) {
  return c.type == Type::kF64;
}

V Constant(PureContext& c, double value) {
  return llvm::ConstantFP::get(c.emitter.TypeFor(c.type), value);
}

Rounding DirectionOf(const PureContext& c) {
  if (c.Has(Modifier::kRz)) {
    return Rounding::kZero;
  }
  if (c.Has(Modifier::kRm)) {
    return Rounding::kDown;
  }
  return c.Has(Modifier::kRp) ? Rounding::kUp : Rounding::kNearest;
}

V DirectionArgument(PureContext& c) {
  return c.emitter.Int(32, static_cast<uint32_t>(DirectionOf(c)));
}

bool IsNearest(const PureContext& c) {
  return DirectionOf(c) == Rounding::kNearest;
}

// An operand as the operation sees it.
V In(PureContext& c, V value) {
  return c.Has(Modifier::kFtz) && c.type == Type::kF32 ? FlushSubnormal(c.emitter, value) : value;
}

// The result as the register gets it.
V Out(PureContext& c, V value) {
  if (c.Has(Modifier::kFtz) && c.type == Type::kF32) {
    value = FlushSubnormal(c.emitter, value);
  }
  if (c.Has(Modifier::kSat)) {
    value = Saturate(c.emitter, value);
  }
  if (c.Has(Modifier::kRelu)) {
    V positive =
        c.ir.CreateSelect(c.ir.CreateFCmpOGT(value, Constant(c, 0)), value, Constant(c, 0));
    value = c.ir.CreateSelect(c.ir.CreateFCmpUNO(value, value),
                              CanonicalNan(c.emitter, value->getType()), positive);
  }
  return value;
}

V AddValues(PureContext& c, V a, V b) {
  if (IsNearest(c)) {
    return c.ir.CreateFAdd(a, b);
  }
  return c.emitter.CallRuntime(kRoundedAdd[IsF64(c)], a->getType(), {a, b, DirectionArgument(c)});
}

V Add(PureContext& c, const Values& v) {
  return Out(c, AddValues(c, In(c, v[0]), In(c, v[1])));
}

V Sub(PureContext& c, const Values& v) {
  return Out(c, AddValues(c, In(c, v[0]), c.ir.CreateFNeg(In(c, v[1]))));
}

V Mul(PureContext& c, const Values& v) {
  V a = In(c, v[0]);
  V b = In(c, v[1]);
  return Out(c, IsNearest(c) ? c.ir.CreateFMul(a, b)
                             : c.emitter.CallRuntime(kRoundedMul[IsF64(c)], a->getType(),
                                                     {a, b, DirectionArgument(c)}));
}

// mad of floats is fma on every architecture that is still supported.
V Fma(PureContext& c, const Values& v) {
  V a = In(c, v[0]);
  V b = In(c, v[1]);
  V d = In(c, v[2]);
  return Out(c, IsNearest(c) ? c.ir.CreateIntrinsic(llvm::Intrinsic::fma, {a->getType()}, {a, b, d})
                             : c.emitter.CallRuntime(kRoundedFma[IsF64(c)], a->getType(),
                                                     {a, b, d, DirectionArgument(c)}));
}

// div.approx gives 0 for divisors above 2^126, because it multiplies by a reciprocal that is
// subnormal there; an infinite dividend then makes a NaN.
V DivApproximately(PureContext& c, V a, V b) {
  V size = c.ir.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, b);
  V is_huge =
      c.ir.CreateAnd(c.ir.CreateFCmpOGT(size, Constant(c, 0x1p126)),
                     c.ir.CreateFCmpONE(size, llvm::ConstantFP::getInfinity(size->getType())));
  V zero = c.ir.CreateFMul(a, Constant(c, 0));
  return c.ir.CreateSelect(is_huge, zero, c.ir.CreateFDiv(a, b));
}

V Div(PureContext& c, const Values& v) {
  V a = In(c, v[0]);
  V b = In(c, v[1]);
  if (c.Has(Modifier::kApprox)) {
    return Out(c, DivApproximately(c, a, b));
  }
  return Out(c, IsNearest(c) ? c.ir.CreateFDiv(a, b)
                             : c.emitter.CallRuntime(kRoundedDiv[IsF64(c)], a->getType(),
                                                     {a, b, DirectionArgument(c)}));
}

// .approx.ftz.f64 works on the upper half of the number: subnormals are zero, and so is the lower
// half of the result.
V UpperHalf(PureContext& c, V value) {
  V bits = c.emitter.ToBits(value);
  V exponent = c.ir.CreateAnd(bits, c.emitter.Int(64, 0x7ff0000000000000));
  V is_small = c.ir.CreateICmpEQ(exponent, c.emitter.Int(64, 0));
  V sign = c.ir.CreateAnd(bits, c.emitter.Int(64, 0x8000000000000000));
  V upper = c.ir.CreateAnd(bits, c.emitter.Int(64, 0xffffffff00000000));
  return c.ir.CreateBitCast(c.ir.CreateSelect(is_small, sign, upper), c.ir.getDoubleTy());
}

bool IsCoarse(const PureContext& c) {
  return c.Has(Modifier::kApprox) && c.Has(Modifier::kFtz) && IsF64(c);
}

V Rcp(PureContext& c, const Values& v) {
  V one = Constant(c, 1);
  if (IsCoarse(c)) {
    return UpperHalf(c, c.ir.CreateFDiv(one, UpperHalf(c, v[0])));
  }
  V a = In(c, v[0]);
  return Out(c, IsNearest(c) ? c.ir.CreateFDiv(one, a)
                             : c.emitter.CallRuntime(kRoundedDiv[IsF64(c)], a->getType(),
                                                     {one, a, DirectionArgument(c)}));
}

V Sqrt(PureContext& c, const Values& v) {
  V a = In(c, v[0]);
  return Out(c, IsNearest(c) ? c.ir.CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, a)
                             : c.emitter.CallRuntime(kRoundedSqrt[IsF64(c)], a->getType(),
                                                     {a, DirectionArgument(c)}));
}

V Rsqrt(PureContext& c, const Values& v) {
  V one = Constant(c, 1);
  if (IsCoarse(c)) {
    V root = c.ir.CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, UpperHalf(c, v[0]));
    return UpperHalf(c, c.ir.CreateFDiv(one, root));
  }
  V root = c.ir.CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, In(c, v[0]));
  return Out(c, c.ir.CreateFDiv(one, root));
}

V Abs(PureContext& c, const Values& v) {
  return c.ir.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, In(c, v[0]));
}

V Neg(PureContext& c, const Values& v) {
  return c.ir.CreateFNeg(In(c, v[0]));
}

// The sign of a with the size of b.
V Copysign(PureContext& c, const Values& v) {
  return c.ir.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, v[1], v[0]);
}

V ExtremumOfTwo(PureContext& c, V a, V b, ID ordered) {
  if (!c.Has(Modifier::kNan)) {
    return NumberExtremum(c.emitter, a, b, ordered);
  }
  V result = c.ir.CreateBinaryIntrinsic(ordered, a, b);
  return c.ir.CreateSelect(c.ir.CreateFCmpUNO(a, b), CanonicalNan(c.emitter, a->getType()), result);
}

// .abs compares sizes.
V Size(PureContext& c, V value) {
  return c.Has(Modifier::kAbs) ? c.ir.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, value) : value;
}

V Extremum(PureContext& c, const Values& v, ID ordered) {
  V a = In(c, v[0]);
  V b = In(c, v[1]);
  if (!c.Has(Modifier::kXorsign)) {
    V result = ExtremumOfTwo(c, Size(c, a), Size(c, b), ordered);
    return Out(c,
               v[2] == nullptr ? result : ExtremumOfTwo(c, result, Size(c, In(c, v[2])), ordered));
  }
  V sign = c.ir.CreateXor(c.emitter.ToBits(a), c.emitter.ToBits(b));
  V result = ExtremumOfTwo(c, c.ir.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, a),
                           c.ir.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, b), ordered);
  V is_nan = c.ir.CreateFCmpUNO(result, result);
  V with_sign = c.ir.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, result,
                                           c.emitter.FromBits(sign, c.type));
  return Out(c, c.ir.CreateSelect(is_nan, result, with_sign));
}

V Min(PureContext& c, const Values& v) {
  return Extremum(c, v, llvm::Intrinsic::minimum);
}

V Max(PureContext& c, const Values& v) {
  return Extremum(c, v, llvm::Intrinsic::maximum);
}

// Half fma is not f32 fma rounded again. The product is exact in f64; where the sum is not, its
// last bit is made to say "more follows", in f64 and again in f32, so that only the last rounding
// counts.
V HalfFma(PureContext& c, const Values& v) {
  if (c.Has(Modifier::kOob)) {
    return c.emitter.Refuse("fma with out-of-bounds operands");
  }
  const bool flushes = c.Has(Modifier::kFtz);
  V wide[3];
  for (int i = 0; i < 3; ++i) {
    wide[i] = c.ir.CreateFPExt(WidenHalf(c.emitter, v[i], c.type, flushes), c.ir.getDoubleTy());
  }
  V product = c.ir.CreateFMul(wide[0], wide[1]);
  V sum = c.ir.CreateFAdd(product, wide[2]);
  // What the sum lost (Knuth's two-sum); exact, and NaN only if the sum is no number either.
  V part = c.ir.CreateFSub(sum, product);
  V lost = c.ir.CreateFAdd(c.ir.CreateFSub(product, c.ir.CreateFSub(sum, part)),
                           c.ir.CreateFSub(wide[2], part));
  V zero = llvm::ConstantFP::get(c.ir.getDoubleTy(), 0.0);
  V is_inexact = c.ir.CreateFCmpONE(lost, zero);
  V opposite = c.ir.CreateXor(c.ir.CreateFCmpOLT(lost, zero), c.ir.CreateFCmpOLT(sum, zero));
  V went_away = c.ir.CreateAnd(is_inexact, opposite);
  V cut = c.ir.CreateSub(c.emitter.ToBits(sum), c.ir.CreateZExt(went_away, c.ir.getInt64Ty()));
  V sticky = c.ir.CreateOr(cut, c.ir.CreateZExt(is_inexact, c.ir.getInt64Ty()));
  V narrowed = NarrowWithSticky(c.emitter, c.ir.CreateBitCast(sticky, c.ir.getDoubleTy()));
  PureContext single{c.emitter, c.ir, c.instruction, Type::kF32};
  return NarrowToHalf(c.emitter, Out(single, narrowed), c.type, flushes);
}

constexpr Slot kMain = Slot::kMain;

constexpr PureRow kRows[] = {
    {Opcode::kAdd, Kind::kFloat, kMain, {kMain, kMain}, Add},
    {Opcode::kSub, Kind::kFloat, kMain, {kMain, kMain}, Sub},
    {Opcode::kMul, Kind::kFloat, kMain, {kMain, kMain}, Mul},
    {Opcode::kFma, Kind::kFloat, kMain, {kMain, kMain, kMain}, Fma},
    {Opcode::kFma, Kind::kHalf, kMain, {kMain, kMain, kMain}, HalfFma},
    {Opcode::kMad, Kind::kFloat, kMain, {kMain, kMain, kMain}, Fma},
    {Opcode::kDiv, Kind::kFloat, kMain, {kMain, kMain}, Div},
    {Opcode::kRcp, Kind::kFloat, kMain, {kMain}, Rcp},
    {Opcode::kSqrt, Kind::kFloat, kMain, {kMain}, Sqrt},
    {Opcode::kRsqrt, Kind::kFloat, kMain, {kMain}, Rsqrt},
    {Opcode::kAbs, Kind::kFloat, kMain, {kMain}, Abs},
    {Opcode::kNeg, Kind::kFloat, kMain, {kMain}, Neg},
    {Opcode::kMin, Kind::kFloat, kMain, {kMain, kMain, kMain}, Min},
    {Opcode::kMax, Kind::kFloat, kMain, {kMain, kMain, kMain}, Max},
    {Opcode::kCopysign, Kind::kFloat, kMain, {kMain, kMain}, Copysign},
};

}  // namespace

std::span<const PureRow> FloatRows() {
  return kRows;
}

}  // namespace farlane::soft::jit
