// SPDX-License-Identifier: Apache-2.0
// Branches and the ways a thread ends.
#include "soft-gpu/jit/emitter_table.h"
#include "soft-gpu/jit/runtime_function.h"

namespace farlane::soft::jit {
namespace {

using ptx::Opcode;
using ptx::Operand;
using ptx::OperandKind;
using ptx::Type;
using V = llvm::Value*;

// What follows a terminator can only be reached by a label.
void StartNewBlock(FunctionEmitter& e) {
  e.ir().SetInsertPoint(e.NewBlock());
}

// A block that lets other threads run and goes on to `target`.
llvm::BasicBlock* YieldTo(FunctionEmitter& e, llvm::BasicBlock* target) {
  const llvm::IRBuilderBase::InsertPoint here = e.ir().saveIP();
  llvm::BasicBlock* yielding = e.NewBlock();
  e.ir().SetInsertPoint(yielding);
  e.CallRuntime(kYieldFunction, e.ir().getVoidTy(), {});
  e.ir().CreateBr(target);
  e.ir().restoreIP(here);
  return yielding;
}

void Bra(FunctionEmitter& e, const ptx::Instruction& instruction) {
  llvm::BasicBlock* target = e.BlockOf(instruction.operands[0].id);
  if (e.IsSpin(instruction)) {
    target = YieldTo(e, target);
  }
  if (instruction.predicate == ptx::kNoIndex) {
    e.ir().CreateBr(target);
    StartNewBlock(e);
    return;
  }
  Operand condition;
  condition.kind = OperandKind::kRegister;
  condition.ref = ptx::Ref::kRegister;
  condition.id = instruction.predicate;
  V taken = e.Read(condition, Type::kPred);
  llvm::BasicBlock* next = e.NewBlock();
  if (instruction.predicate_negated) {
    e.ir().CreateCondBr(taken, next, target);
  } else {
    e.ir().CreateCondBr(taken, target, next);
  }
  e.ir().SetInsertPoint(next);
}

void Brx(FunctionEmitter& e, const ptx::Instruction& instruction) {
  V index = e.Read(instruction.operands[0], Type::kU32);
  if (instruction.operands[1].kind != OperandKind::kBranchTable) {
    e.Refuse("a branch without a table");
  }
  if (e.refused()) {
    return;
  }
  const ptx::BranchTable& table = e.body().branch_tables[instruction.operands[1].id];
  llvm::BasicBlock* outside = e.NewBlock();
  llvm::SwitchInst* choice = e.ir().CreateSwitch(index, outside, table.targets.size());
  for (size_t i = 0; i < table.targets.size(); ++i) {
    choice->addCase(llvm::cast<llvm::ConstantInt>(e.Int(32, i)), e.BlockOf(table.targets[i]));
  }
  e.ir().SetInsertPoint(outside);
  e.Fault(static_cast<uint32_t>(FaultCause::kTrap));
}

void Ret(FunctionEmitter& e, const ptx::Instruction&) {
  e.EmitReturn();
  StartNewBlock(e);
}

void Exit(FunctionEmitter& e, const ptx::Instruction&) {
  if (e.is_entry()) {
    e.EmitReturn();
  } else {
    e.CallRuntime(kExitFunction, e.ir().getVoidTy(), {});
    e.ir().CreateUnreachable();
  }
  StartNewBlock(e);
}

void Trap(FunctionEmitter& e, const ptx::Instruction&) {
  e.Fault(static_cast<uint32_t>(FaultCause::kTrap));
}

void Brkpt(FunctionEmitter&, const ptx::Instruction&) {}

constexpr EmitterRow kRows[] = {
    {Opcode::kBra, Bra},   {Opcode::kBrx, Brx},   {Opcode::kRet, Ret},
    {Opcode::kExit, Exit}, {Opcode::kTrap, Trap}, {Opcode::kBrkpt, Brkpt},
};

}  // namespace

std::span<const EmitterRow> ControlRows() {
  return kRows;
}

}  // namespace farlane::soft::jit
