// SPDX-License-Identifier: Apache-2.0
// cvt: types[0] is the result's, types[1] the source's. Integers go through integers, floats
// through f32 or f64, and every rounding happens once.
#include "soft-gpu/jit/emitter_table.h"
#include "soft-gpu/jit/flush.h"
#include "soft-gpu/jit/half.h"
#include "soft-gpu/jit/packed_conversion.h"
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
    if (Has(Modifier::kRs)) {
      e_.Refuse("stochastic rounding");
      return;
    }
    if (to_ == Type::kTf32) {
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

  // tf32 is an f32 whose low 13 bits are not looked at.
  void ConvertToTf32() {
    V value = e_.Read(i_.operands[1], from_);
    if (!e_.refused()) {
      V bits = CallNarrow(e_, Relu(value), FormOf(i_, Type::kTf32));
      e_.Write(i_.operands[0], ir_.CreateShl(bits, 13), Type::kB32);
    }
  }

  V Relu(V single) {
    if (!Has(Modifier::kRelu)) {
      return single;
    }
    V zero = llvm::ConstantFP::get(ir_.getFloatTy(), 0.0);
    return ir_.CreateSelect(ir_.CreateFCmpOLE(single, zero), zero, single);
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
    single = Relu(single);
    if (to_ == Type::kF32) {
      return single;
    }
    return RoundToHalf(e_, i_, single, to_);
  }

  FunctionEmitter& e_;
  llvm::IRBuilder<>& ir_;
  const ptx::Instruction& i_;
  Type to_;
  Type from_;
};

void Cvt(FunctionEmitter& emitter, const ptx::Instruction& instruction) {
  if (IsPackedConversion(instruction)) {
    EmitPackedConversion(emitter, instruction);
  } else {
    Converter(emitter, instruction).Run();
  }
}

constexpr EmitterRow kRows[] = {{Opcode::kCvt, Cvt}};

}  // namespace

std::span<const EmitterRow> ConvertRows() {
  return kRows;
}

}  // namespace farlane::soft::jit
