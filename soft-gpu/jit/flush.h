// SPDX-License-Identifier: Apache-2.0
// What the modifiers .ftz and .sat do to a float, and which of two floats is the smaller or larger,
// as LLVM code.
#pragma once

#include "soft-gpu/jit/function_emitter.h"

namespace farlane::soft::jit {

// Zero with the same sign if the f32 value is subnormal. Written on the bits, not with the CPU's
// flush mode, because that holds for a whole thread and .ftz for one instruction.
inline llvm::Value* FlushSubnormal(FunctionEmitter& emitter, llvm::Value* value) {
  llvm::IRBuilder<>& ir = emitter.ir();
  llvm::Value* bits = emitter.ToBits(value);
  llvm::Value* exponent = ir.CreateAnd(bits, emitter.Int(32, 0x7f800000));
  llvm::Value* is_small = ir.CreateICmpEQ(exponent, emitter.Int(32, 0));
  llvm::Value* zero = ir.CreateAnd(bits, emitter.Int(32, 0x80000000));
  return ir.CreateBitCast(ir.CreateSelect(is_small, zero, bits), ir.getFloatTy());
}

// Clamped to [0, 1]; NaN and -0 become +0.
inline llvm::Value* Saturate(FunctionEmitter& emitter, llvm::Value* value) {
  llvm::IRBuilder<>& ir = emitter.ir();
  llvm::Value* zero = llvm::ConstantFP::get(value->getType(), 0.0);
  llvm::Value* one = llvm::ConstantFP::get(value->getType(), 1.0);
  llvm::Value* positive = ir.CreateSelect(ir.CreateFCmpOGT(value, zero), value, zero);
  return ir.CreateSelect(ir.CreateFCmpOLT(positive, one), positive, one);
}

// The one NaN that f32 operations give. f64 has no such rule; the CPU's own is fine.
inline llvm::Value* CanonicalNan(FunctionEmitter& emitter, llvm::Type* type) {
  return type->isDoubleTy() ? llvm::ConstantFP::getQNaN(type)
                            : emitter.ir().CreateBitCast(emitter.Int(32, 0x7fffffff), type);
}

// The smaller (`ordered` is llvm.minimum) or larger (llvm.maximum) of two; a number wins over NaN.
inline llvm::Value* NumberExtremum(FunctionEmitter& emitter,
                                   llvm::Value* a,
                                   llvm::Value* b,
                                   llvm::Intrinsic::ID ordered) {
  llvm::IRBuilder<>& ir = emitter.ir();
  llvm::Value* a_is_nan = ir.CreateFCmpUNO(a, a);
  llvm::Value* b_is_nan = ir.CreateFCmpUNO(b, b);
  // LLVM's own order the zeros as PTX does, but let NaNs win.
  llvm::Value* result = ir.CreateBinaryIntrinsic(ordered, a, b);
  result = ir.CreateSelect(b_is_nan, a, result);
  result = ir.CreateSelect(a_is_nan, b, result);
  return ir.CreateSelect(ir.CreateAnd(a_is_nan, b_is_nan), CanonicalNan(emitter, a->getType()),
                         result);
}

}  // namespace farlane::soft::jit
