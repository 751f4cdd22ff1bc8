// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/half.h"

namespace farlane::soft::jit {
namespace {

// Zero with the value's sign if its exponent field is zero.
llvm::Value* FlushHalf(FunctionEmitter& emitter, llvm::Value* bits, uint16_t exponent_mask) {
  llvm::IRBuilder<>& ir = emitter.ir();
  llvm::Value* is_small =
      ir.CreateICmpEQ(ir.CreateAnd(bits, emitter.Int(16, exponent_mask)), emitter.Int(16, 0));
  return ir.CreateSelect(is_small, ir.CreateAnd(bits, emitter.Int(16, 0x8000)), bits);
}

constexpr uint16_t kF16Exponent = 0x7c00;
constexpr uint16_t kBf16Exponent = 0x7f80;

}  // namespace

llvm::Value* WidenHalf(FunctionEmitter& emitter, llvm::Value* half, ptx::Type type, bool flushes) {
  llvm::IRBuilder<>& ir = emitter.ir();
  llvm::Value* bits = emitter.ToBits(half);
  const bool is_f16 = type == ptx::Type::kF16;
  if (flushes) {
    bits = FlushHalf(emitter, bits, is_f16 ? kF16Exponent : kBf16Exponent);
  }
  if (is_f16) {
    return ir.CreateFPExt(ir.CreateBitCast(bits, ir.getHalfTy()), ir.getFloatTy());
  }
  llvm::Value* shifted = ir.CreateShl(ir.CreateZExt(bits, ir.getInt32Ty()), 16);
  return ir.CreateBitCast(shifted, ir.getFloatTy());
}

llvm::Value* NarrowToHalf(FunctionEmitter& emitter,
                          llvm::Value* value,
                          ptx::Type type,
                          bool flushes) {
  llvm::IRBuilder<>& ir = emitter.ir();
  if (type == ptx::Type::kF16) {
    llvm::Value* half = ir.CreateFPTrunc(value, ir.getHalfTy());
    return flushes ? emitter.FromBits(FlushHalf(emitter, emitter.ToBits(half), kF16Exponent), type)
                   : half;
  }
  // Adds just under half a unit of the last place kept, a whole half if that place is odd.
  llvm::Value* bits = emitter.ToBits(value);
  llvm::Value* odd = ir.CreateAnd(ir.CreateLShr(bits, 16), emitter.Int(32, 1));
  llvm::Value* rounded = ir.CreateAdd(ir.CreateAdd(bits, emitter.Int(32, 0x7fff)), odd);
  llvm::Value* half = ir.CreateTrunc(ir.CreateLShr(rounded, 16), emitter.IntType(16));
  llvm::Value* is_nan = ir.CreateFCmpUNO(value, value);
  half = ir.CreateSelect(is_nan, emitter.Int(16, 0x7fff), half);
  return flushes ? FlushHalf(emitter, half, kBf16Exponent) : half;
}

llvm::Value* NarrowWithSticky(FunctionEmitter& emitter, llvm::Value* value) {
  llvm::IRBuilder<>& ir = emitter.ir();
  llvm::Value* nearest = ir.CreateFPTrunc(value, ir.getFloatTy());
  llvm::Value* back = ir.CreateFPExt(nearest, ir.getDoubleTy());
  llvm::Value* bits = emitter.ToBits(nearest);
  const auto size = [&](llvm::Value* x) {
    return ir.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x);
  };
  // One step towards zero where rounding went away from it; an infinity steps to the largest float.
  llvm::Value* went_away = ir.CreateFCmpOGT(size(back), size(value));
  llvm::Value* cut = ir.CreateSub(bits, ir.CreateZExt(went_away, ir.getInt32Ty()));
  llvm::Value* is_inexact = ir.CreateFCmpONE(back, value);
  llvm::Value* sticky = ir.CreateOr(cut, ir.CreateZExt(is_inexact, ir.getInt32Ty()));
  return ir.CreateBitCast(sticky, ir.getFloatTy());
}

}  // namespace farlane::soft::jit
