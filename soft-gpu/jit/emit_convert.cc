// SPDX-License-Identifier: Apache-2.0
// cvt: types[0] is the result's, types[1] the source's. Integers go through integers, floats
// through f32 or f64, and every rounding happens once.
#include "soft-gpu/jit/emitter_table.h"
#include "soft-gpu/jit/flush.h"
#include "soft-gpu/jit/half.h"
#include "soft-gpu/jit/rounding.h"

namespace farlane::soft::jit {
namespace {

using llvm::APInt;
using ptx::Modifier;
using ptx::Opcode;
using ptx::Type;
using V = llvm::Value*;

// One cvt instruction.
// Thread: the compiling one.
class Converter {
 public:
  Converter(FunctionEmitter& emitter, const ptx::Instruction& instruction)
      : e_(emitter), ir_(emitter.ir()), i_(instruction), to_(i_.types[0]), from_(i_.types[1]) {}

  void Run() {
    if (i_.type_count == 2 && i_.operands.size() == 3 && IsPackedHalf(to_)) {
      ConvertPair();
      return;
    }
    if (Has(Modifier::kPack)) {
      Pack();
      return;
    }
    if (to_ == Type::kTf32 && from_ == Type::kF32) {
      ConvertToTf32();
      return;
    }
    if (!IsConvertible(to_) || !IsConvertible(from_) || i_.operands.size() != 2) {
      e_.Refuse("a conversion between these types");
      return;
    }
    V value = e_.Read(i_.operands[1], from_);
    if (e_.refused()) {
      return;
    }
    V result = Convert(value);
    if (!e_.refused()) {
      e_.Write(i_.operands[0], result, to_);
    }
  }

 private:
  static bool IsHalf(Type type) { return type == Type::kF16 || type == Type::kBf16; }

  static bool IsPackedHalf(Type type) { return type == Type::kF16x2 || type == Type::kBf16x2; }

  static bool IsConvertible(Type type) {
    return IsHalf(type) || type == Type::kF32 || type == Type::kF64 ||
           (ptx::IsInteger(type) && ptx::BitsOf(type) >= 8 && ptx::BitsOf(type) <= 64);
  }

  bool Has(Modifier modifier) const { return i_.Has(modifier); }

  V Convert(V value) {
    if (ptx::IsInteger(from_)) {
      return ptx::IsInteger(to_) ? IntegerToInteger(value) : IntegerToFloat(value);
    }
    return ptx::IsInteger(to_) ? FloatToInteger(value) : FloatToFloat(value);
  }

  // ---- to integers ----

  V IntegerToInteger(V value) {
    const unsigned from_bits = ptx::BitsOf(from_);
    const unsigned to_bits = ptx::BitsOf(to_);
    if (!Has(Modifier::kSat)) {
      return ptx::IsSigned(from_) ? ir_.CreateSExtOrTrunc(value, e_.IntType(to_bits))
                                  : ir_.CreateZExtOrTrunc(value, e_.IntType(to_bits));
    }
    // One bit more than either has holds every value of both with its sign.
    const unsigned bits = std::max(from_bits, to_bits) + 1;
    llvm::Type* wide = e_.IntType(bits);
    V extended = ptx::IsSigned(from_) ? ir_.CreateSExt(value, wide) : ir_.CreateZExt(value, wide);
    const APInt low =
        ptx::IsSigned(to_) ? APInt::getSignedMinValue(to_bits).sext(bits) : APInt::getZero(bits);
    const APInt high = ptx::IsSigned(to_) ? APInt::getSignedMaxValue(to_bits).sext(bits)
                                          : APInt::getMaxValue(to_bits).zext(bits);
    extended = ir_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, extended,
                                         llvm::ConstantInt::get(wide, low));
    extended = ir_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, extended,
                                         llvm::ConstantInt::get(wide, high));
    return ir_.CreateTrunc(extended, e_.IntType(to_bits));
  }

  // The value rounded to an integer in the instruction's direction, still a float.
  V RoundToIntegral(V value) {
    if (Has(Modifier::kRni)) {
      return ir_.CreateUnaryIntrinsic(llvm::Intrinsic::roundeven, value);
    }
    if (Has(Modifier::kRmi)) {
      return ir_.CreateUnaryIntrinsic(llvm::Intrinsic::floor, value);
    }
    if (Has(Modifier::kRpi)) {
      return ir_.CreateUnaryIntrinsic(llvm::Intrinsic::ceil, value);
    }
    return Has(Modifier::kRzi) ? ir_.CreateUnaryIntrinsic(llvm::Intrinsic::trunc, value) : value;
  }

  V FloatToInteger(V value) {
    const unsigned bits = ptx::BitsOf(to_);
    V integral = RoundToIntegral(Widened(value));
    V result = ir_.CreateIntrinsic(
        ptx::IsSigned(to_) ? llvm::Intrinsic::fptosi_sat : llvm::Intrinsic::fptoui_sat,
        {e_.IntType(bits), integral->getType()}, {integral});
    // NaN is 0, but with 64 bits on either side it is the top bit alone.
    if (from_ != Type::kF64 && bits != 64) {
      return result;
    }
    V is_nan = ir_.CreateFCmpUNO(integral, integral);
    V top_bit = llvm::ConstantInt::get(e_.IntType(bits), APInt::getSignMask(bits));
    return ir_.CreateSelect(is_nan, top_bit, result);
  }

  // ---- to floats ----

  uint32_t Direction() const {
    const Rounding direction = Has(Modifier::kRz)   ? Rounding::kZero
                               : Has(Modifier::kRm) ? Rounding::kDown
                               : Has(Modifier::kRp) ? Rounding::kUp
                                                    : Rounding::kNearest;
    return static_cast<uint32_t>(direction);
  }

  V IntegerToFloat(V value) {
    if (IsHalf(to_)) {
      return IntegerToHalf(value);
    }
    const bool is_signed = ptx::IsSigned(from_);
    llvm::Type* type = e_.TypeFor(to_);
    V result = nullptr;
    if (Direction() == 0) {
      result = is_signed ? ir_.CreateSIToFP(value, type) : ir_.CreateUIToFP(value, type);
    } else {
      V wide = is_signed ? ir_.CreateSExt(value, ir_.getInt64Ty())
                         : ir_.CreateZExt(value, ir_.getInt64Ty());
      const bool is_f64 = to_ == Type::kF64;
      result = e_.CallRuntime(is_signed ? kRoundedSigned[is_f64] : kRoundedUnsigned[is_f64], type,
                              {wide, e_.Int(32, Direction())});
    }
    return Has(Modifier::kSat) ? Saturate(e_, result) : result;
  }

  // To f64 with the last bit as "more follows", then down: one rounding in effect.
  V IntegerToHalf(V value) {
    const bool is_signed = ptx::IsSigned(from_);
    V wide = is_signed ? ir_.CreateSExt(value, ir_.getInt64Ty())
                       : ir_.CreateZExt(value, ir_.getInt64Ty());
    V toward_zero =
        e_.CallRuntime(is_signed ? kRoundedSigned[1] : kRoundedUnsigned[1], ir_.getDoubleTy(),
                       {wide, e_.Int(32, static_cast<uint32_t>(Rounding::kZero))});
    V away = e_.CallRuntime(is_signed ? kRoundedSigned[1] : kRoundedUnsigned[1], ir_.getDoubleTy(),
                            {wide, e_.Int(32, static_cast<uint32_t>(Rounding::kUp))});
    V down = e_.CallRuntime(is_signed ? kRoundedSigned[1] : kRoundedUnsigned[1], ir_.getDoubleTy(),
                            {wide, e_.Int(32, static_cast<uint32_t>(Rounding::kDown))});
    V is_inexact = ir_.CreateZExt(ir_.CreateFCmpONE(away, down), ir_.getInt64Ty());
    V sticky =
        ir_.CreateBitCast(ir_.CreateOr(e_.ToBits(toward_zero), is_inexact), ir_.getDoubleTy());
    return Finished(NarrowWithSticky(e_, sticky));
  }

  // The source as f32 or f64, flushed if the instruction says so.
  V Widened(V value) {
    if (IsHalf(from_)) {
      return WidenHalf(e_, value, from_, false);
    }
    return from_ == Type::kF32 && Has(Modifier::kFtz) ? FlushSubnormal(e_, value) : value;
  }

  V FloatToFloat(V value) {
    V wide = RoundToIntegral(Widened(value));
    if (to_ == Type::kF64) {
      V result = wide->getType()->isDoubleTy() ? wide : ir_.CreateFPExt(wide, ir_.getDoubleTy());
      return Has(Modifier::kSat) ? Saturate(e_, result) : result;
    }
    if (to_ == Type::kF32) {
      return Finished(NarrowToSingle(wide));
    }
    V single = wide->getType()->isDoubleTy() ? NarrowWithSticky(e_, wide) : wide;
    return Finished(single);
  }

  V NarrowToSingle(V value) {
    if (!value->getType()->isDoubleTy()) {
      return value;
    }
    if (Direction() == 0) {
      return ir_.CreateFPTrunc(value, ir_.getFloatTy());
    }
    return e_.CallRuntime(kRoundedNarrow, ir_.getFloatTy(), {value, e_.Int(32, Direction())});
  }

  // The modifiers that work on the result, then the last step down to a half.
  V Finished(V single) {
    if (to_ == Type::kF32 && Has(Modifier::kFtz)) {
      single = FlushSubnormal(e_, single);
    }
    if (Has(Modifier::kSat)) {
      single = Saturate(e_, single);
    }
    if (Has(Modifier::kRelu)) {
      V zero = llvm::ConstantFP::get(ir_.getFloatTy(), 0.0);
      single = ir_.CreateSelect(ir_.CreateFCmpOLE(single, zero), zero, single);
    }
    if (to_ == Type::kF32) {
      return single;
    }
    return ToHalf(single,
                  IsPackedHalf(to_) ? (to_ == Type::kF16x2 ? Type::kF16 : Type::kBf16) : to_);
  }

  V ToHalf(V single, Type half) {
    V rounded = RoundToHalf(single, half);
    if (!Has(Modifier::kSatfinite)) {
      return rounded;
    }
    const uint16_t greatest = half == Type::kF16 ? 0x7bff : 0x7f7f;
    return e_.FromBits(Finite(e_.ToBits(rounded), greatest, IsNan(single)), half);
  }

  V IsNan(V value) { return ir_.CreateFCmpUNO(value, value); }

  // .satfinite on the bits of a float: at most the greatest number, and one NaN.
  V Finite(V bits, uint64_t greatest, V is_nan) {
    const unsigned width = bits->getType()->getIntegerBitWidth();
    const uint64_t sign_bit = uint64_t{1} << (width - 1);
    V sign = ir_.CreateAnd(bits, e_.Int(width, sign_bit));
    V size = ir_.CreateAnd(bits, e_.Int(width, sign_bit - 1));
    size = ir_.CreateBinaryIntrinsic(llvm::Intrinsic::umin, size, e_.Int(width, greatest));
    return ir_.CreateSelect(is_nan, e_.Int(width, sign_bit - 1), ir_.CreateOr(sign, size));
  }

  // tf32 is an f32 whose low 13 bits do not count; they are zero here. Its bits grow away from
  // zero, so adding to them rounds, up to infinity.
  void ConvertToTf32() {
    V single = e_.Read(i_.operands[1], Type::kF32);
    if (e_.refused()) {
      return;
    }
    V is_nan = IsNan(single);
    if (Has(Modifier::kRelu)) {
      single = ir_.CreateSelect(ir_.CreateFCmpOLE(single, Zero()), Zero(), single);
    }
    V bits = e_.ToBits(single);
    if (Has(Modifier::kRna)) {
      bits = ir_.CreateAdd(bits, e_.Int(32, 0x1000));
    } else if (!Has(Modifier::kRz)) {
      V odd = ir_.CreateAnd(ir_.CreateLShr(bits, 13), e_.Int(32, 1));
      bits = ir_.CreateAdd(ir_.CreateAdd(bits, e_.Int(32, 0xfff)), odd);
    }
    bits = ir_.CreateAnd(bits, e_.Int(32, 0xffffe000));
    bits = Has(Modifier::kSatfinite) ? Finite(bits, 0x7f7fe000, is_nan)
                                     : ir_.CreateSelect(is_nan, e_.Int(32, 0x7fffffff), bits);
    e_.Write(i_.operands[0], bits, Type::kB32);
  }

  V Zero() { return llvm::ConstantFP::get(ir_.getFloatTy(), 0.0); }

  V RoundToHalf(V single, Type half) {
    if (Direction() == 0) {
      return NarrowToHalf(e_, single, half, false);
    }
    // The nearest half, or its neighbour where that lies on the wrong side. Bits of a half grow
    // away from zero, and the one beyond the greatest number is infinity.
    V nearest = NarrowToHalf(e_, single, half, false);
    V back = WidenHalf(e_, nearest, half, false);
    V bits = e_.ToBits(nearest);
    V is_negative = ir_.CreateICmpSLT(bits, e_.Int(16, 0));
    V is_above = ir_.CreateFCmpOGT(back, single);
    V is_below = ir_.CreateFCmpOLT(back, single);
    V steps_down = is_above;
    V steps_up = is_below;
    if (Direction() == static_cast<uint32_t>(Rounding::kZero)) {
      steps_down = ir_.CreateAnd(is_above, ir_.CreateNot(is_negative));
      steps_up = ir_.CreateAnd(is_below, is_negative);
    } else if (Direction() == static_cast<uint32_t>(Rounding::kUp)) {
      steps_down = ir_.getFalse();
    } else {
      steps_up = ir_.getFalse();
    }
    V grows = ir_.CreateOr(ir_.CreateAnd(steps_up, ir_.CreateNot(is_negative)),
                           ir_.CreateAnd(steps_down, is_negative));
    V shrinks = ir_.CreateOr(ir_.CreateAnd(steps_up, is_negative),
                             ir_.CreateAnd(steps_down, ir_.CreateNot(is_negative)));
    bits = ir_.CreateAdd(bits, ir_.CreateZExt(grows, e_.IntType(16)));
    bits = ir_.CreateSub(bits, ir_.CreateZExt(shrinks, e_.IntType(16)));
    return e_.FromBits(bits, half);
  }

  // cvt.pack.sat: a and b clamped to a few bits and joined, a above b, and c above both.
  void Pack() {
    const unsigned bits = ptx::BitsOf(to_);
    const bool is_signed = ptx::IsSigned(to_);
    const int64_t low = is_signed ? -(int64_t{1} << (bits - 1)) : 0;
    const int64_t high = (int64_t{1} << (is_signed ? bits - 1 : bits)) - 1;
    const auto clamped = [&](V value) {
      value = ir_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, value,
                                        e_.Int(32, static_cast<uint32_t>(low)));
      value = ir_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, value,
                                        e_.Int(32, static_cast<uint32_t>(high)));
      return ir_.CreateAnd(value, e_.Int(32, (uint64_t{1} << bits) - 1));
    };
    V a = e_.Read(i_.operands[1], Type::kS32);
    V b = e_.Read(i_.operands[2], Type::kS32);
    V c = i_.operands.size() > 3 ? e_.Read(i_.operands[3], Type::kB32) : e_.Int(32, 0);
    if (e_.refused()) {
      return;
    }
    V joined = ir_.CreateOr(ir_.CreateShl(clamped(a), bits), clamped(b));
    // Two halves leave no room for c.
    if (bits < 16) {
      joined = ir_.CreateOr(joined, ir_.CreateShl(c, 2 * bits));
    }
    e_.Write(i_.operands[0], joined, Type::kB32);
  }

  // cvt.f16x2.f32 d, a, b: a goes to the upper half.
  void ConvertPair() {
    if (from_ != Type::kF32) {
      e_.Refuse("a packed conversion from this type");
      return;
    }
    V upper = e_.Read(i_.operands[1], from_);
    V lower = e_.Read(i_.operands[2], from_);
    if (e_.refused()) {
      return;
    }
    upper = Finished(upper);
    lower = Finished(lower);
    if (e_.refused()) {
      return;
    }
    V high = ir_.CreateShl(ir_.CreateZExt(e_.ToBits(upper), ir_.getInt32Ty()), 16);
    V low = ir_.CreateZExt(e_.ToBits(lower), ir_.getInt32Ty());
    e_.Write(i_.operands[0], ir_.CreateOr(high, low), Type::kB32);
  }

  FunctionEmitter& e_;
  llvm::IRBuilder<>& ir_;
  const ptx::Instruction& i_;
  Type to_;
  Type from_;
};

void Cvt(FunctionEmitter& emitter, const ptx::Instruction& instruction) {
  Converter(emitter, instruction).Run();
}

constexpr EmitterRow kRows[] = {{Opcode::kCvt, Cvt}};

}  // namespace

std::span<const EmitterRow> ConvertRows() {
  return kRows;
}

}  // namespace farlane::soft::jit
