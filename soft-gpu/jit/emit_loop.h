// SPDX-License-Identifier: Apache-2.0
// A loop in compiled code over the offsets of a stretch of memory.
#pragma once

#include "soft-gpu/jit/function_emitter.h"

namespace farlane::soft::jit {

// Calls emit(offset) once, for code that runs for each offset below `count` (64 bits) in steps of
// `step`. What is emitted next runs after the loop.
template <typename F>
void EmitLoop(FunctionEmitter& emitter, llvm::Value* count, uint32_t step, const F& emit) {
  llvm::IRBuilder<>& ir = emitter.ir();
  llvm::BasicBlock* before = ir.GetInsertBlock();
  llvm::BasicBlock* head = emitter.NewBlock();
  llvm::BasicBlock* body = emitter.NewBlock();
  llvm::BasicBlock* after = emitter.NewBlock();
  ir.CreateBr(head);
  ir.SetInsertPoint(head);
  llvm::PHINode* offset = ir.CreatePHI(ir.getInt64Ty(), 2);
  offset->addIncoming(emitter.Int(64, 0), before);
  ir.CreateCondBr(ir.CreateICmpULT(offset, count), body, after);
  ir.SetInsertPoint(body);
  emit(offset);
  offset->addIncoming(ir.CreateAdd(offset, emitter.Int(64, step)), ir.GetInsertBlock());
  ir.CreateBr(head);
  ir.SetInsertPoint(after);
}

}  // namespace farlane::soft::jit
