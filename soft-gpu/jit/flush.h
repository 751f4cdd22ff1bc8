// SPDX-License-Identifier: Apache-2.0
// What the modifiers .ftz and .sat do to a float, as LLVM code.
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

}  // namespace farlane::soft::jit
