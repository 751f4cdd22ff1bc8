// SPDX-License-Identifier: Apache-2.0
// Asynchronous copies, mbarrier objects, and what else is about other agents than the thread
// itself. A copy is made where it is issued, so whoever waits for it finds it done; a block is a
// cluster of its own.
#include "soft-gpu/jit/collective.h"
#include "soft-gpu/jit/emit_loop.h"
#include "soft-gpu/jit/emitter_table.h"
#include "soft-gpu/jit/mbarrier.h"
#include "soft-gpu/jit/memory_access.h"
#include "soft-gpu/jit/runtime_function.h"

namespace farlane::soft::jit {
namespace {

using ptx::Modifier;
using ptx::Opcode;
using ptx::Operand;
using ptx::OperandKind;
using ptx::Space;
using ptx::Type;
using V = llvm::Value*;

// ---------------------------------------------------------------------------------------- mbarrier

V Operate(FunctionEmitter& e, MbarrierStep step, V pointer, V value) {
  return e.CallRuntime(kMbarrierFunction, e.ir().getInt64Ty(),
                       {e.Int(32, static_cast<uint32_t>(step)), pointer, value});
}

V ObjectPointer(FunctionEmitter& e, const ptx::Instruction& instruction, const Operand& operand) {
  return CheckedPointer(e, operand, SpaceOf(instruction), sizeof(uint64_t));
}

// arrive with a count, or with bytes to expect first and a count of one.
void Arrive(FunctionEmitter& e, const ptx::Instruction& instruction) {
  const std::span<const Operand> operands = instruction.operands;
  V value = operands.size() > 2 ? e.Read(operands[2], Type::kU32) : e.Int(32, 1);
  V pointer = e.refused() ? nullptr : ObjectPointer(e, instruction, operands[1]);
  if (e.refused()) {
    return;
  }
  V count = e.ir().CreateZExt(value, e.ir().getInt64Ty());
  if (instruction.Has(Modifier::kExpectTx)) {
    Operate(e, MbarrierStep::kExpectBytes, pointer, count);
    count = e.Int(64, 1);
  }
  const MbarrierStep step =
      instruction.Has(Modifier::kArriveDrop) ? MbarrierStep::kArriveDrop : MbarrierStep::kArrive;
  e.Write(operands[0], Operate(e, step, pointer, count), Type::kB64);
}

// test_wait asks; try_wait lets the others run once before it says no.
void Wait(FunctionEmitter& e, const ptx::Instruction& instruction) {
  const bool by_parity = instruction.Has(Modifier::kParity);
  const std::span<const Operand> operands = instruction.operands;
  V value = e.Read(operands[2], by_parity ? Type::kU32 : Type::kB64);
  V pointer = e.refused() ? nullptr : ObjectPointer(e, instruction, operands[1]);
  if (e.refused()) {
    return;
  }
  llvm::IRBuilder<>& ir = e.ir();
  V wanted = ir.CreateZExt(value, ir.getInt64Ty());
  const auto test = [&] {
    const MbarrierStep step = by_parity ? MbarrierStep::kTestParity : MbarrierStep::kTest;
    return ir.CreateICmpNE(Operate(e, step, pointer, wanted), e.Int(64, 0));
  };
  V first = test();
  if (instruction.Has(Modifier::kTestWait)) {
    e.Write(operands[0], first, Type::kPred);
    return;
  }
  llvm::BasicBlock* before = ir.GetInsertBlock();
  llvm::BasicBlock* waiting = e.NewBlock();
  llvm::BasicBlock* after = e.NewBlock();
  ir.CreateCondBr(first, after, waiting);
  ir.SetInsertPoint(waiting);
  e.CallRuntime(kYieldFunction, ir.getVoidTy(), {});
  V second = test();
  llvm::BasicBlock* waited = ir.GetInsertBlock();
  ir.CreateBr(after);
  ir.SetInsertPoint(after);
  llvm::PHINode* result = ir.CreatePHI(ir.getInt1Ty(), 2);
  result->addIncoming(first, before);
  result->addIncoming(second, waited);
  e.Write(operands[0], result, Type::kPred);
}

// init, expect_tx and complete_tx: a number changes the object.
void Change(FunctionEmitter& e, const ptx::Instruction& instruction, MbarrierStep step) {
  V value = e.Read(instruction.operands[1], Type::kU32);
  V pointer = e.refused() ? nullptr : ObjectPointer(e, instruction, instruction.operands[0]);
  if (!e.refused()) {
    Operate(e, step, pointer, e.ir().CreateZExt(value, e.ir().getInt64Ty()));
  }
}

void Mbarrier(FunctionEmitter& e, const ptx::Instruction& instruction) {
  if (instruction.Has(Modifier::kArrive) || instruction.Has(Modifier::kArriveDrop)) {
    Arrive(e, instruction);
  } else if (instruction.Has(Modifier::kTestWait) || instruction.Has(Modifier::kTryWait)) {
    Wait(e, instruction);
  } else if (instruction.Has(Modifier::kInit)) {
    Change(e, instruction, MbarrierStep::kInit);
  } else if (instruction.Has(Modifier::kExpectTx)) {
    Change(e, instruction, MbarrierStep::kExpectBytes);
  } else if (instruction.Has(Modifier::kCompleteTx)) {
    Change(e, instruction, MbarrierStep::kCompleteBytes);
  } else if (instruction.Has(Modifier::kPendingCount)) {
    V state = e.Read(instruction.operands[1], Type::kB64);
    if (!e.refused()) {
      V count = e.CallRuntime(kMbarrierPendingFunction, e.ir().getInt64Ty(), {state});
      e.Write(instruction.operands[0], e.ir().CreateTrunc(count, e.ir().getInt32Ty()), Type::kU32);
    }
  }
  // inval: the memory is free for other use, as it was all along.
}

// -------------------------------------------------------------------------------------------- cp

// Copies one unit, where an address may go up to it; see CopyMany.
void CopyUnit(FunctionEmitter& e, V to, Space to_space, V from, Space from_space, uint32_t bytes) {
  V source = CheckedPointerAt(e, from, from_space, bytes);
  V value = e.ir().CreateAlignedLoad(e.IntType(bytes * 8), source, llvm::Align(bytes));
  V target = CheckedPointerAt(e, to, to_space, bytes);
  e.ir().CreateAlignedStore(value, target, llvm::Align(bytes));
}

// cp.async [to], [from], size: `size` bytes, of which only the first `given` are read, the others
// being zero.
void CopyPart(FunctionEmitter& e, V to, V from, uint32_t size, V given) {
  llvm::IRBuilder<>& ir = e.ir();
  EmitLoop(e, e.Int(64, size), 1, [&](V offset) {
    llvm::BasicBlock* before = ir.GetInsertBlock();
    llvm::BasicBlock* read = e.NewBlock();
    llvm::BasicBlock* write = e.NewBlock();
    ir.CreateCondBr(ir.CreateICmpULT(offset, given), read, write);
    ir.SetInsertPoint(read);
    V source = CheckedPointerAt(e, ir.CreateAdd(from, offset), Space::kGlobal, 1);
    V byte = ir.CreateLoad(ir.getInt8Ty(), source);
    llvm::BasicBlock* after_read = ir.GetInsertBlock();
    ir.CreateBr(write);
    ir.SetInsertPoint(write);
    llvm::PHINode* value = ir.CreatePHI(ir.getInt8Ty(), 2);
    value->addIncoming(ir.getInt8(0), before);
    value->addIncoming(byte, after_read);
    ir.CreateStore(value, CheckedPointerAt(e, ir.CreateAdd(to, offset), Space::kShared, 1));
  });
}

// How many bytes of a cp.async are read: all, the number it gives, or none if it is told to ignore
// its source. Null: all.
V GivenBytes(FunctionEmitter& e, const ptx::Instruction& instruction, uint32_t size) {
  const std::span<const Operand> operands = instruction.operands;
  const size_t policy = instruction.Has(Modifier::kL2CacheHint) ? 1 : 0;
  if (operands.size() < 4 + policy) {
    return nullptr;
  }
  const Operand& last = operands[3];
  const bool is_predicate =
      last.kind == OperandKind::kRegister && e.body().registers[last.id].type == Type::kPred;
  if (is_predicate) {
    V ignores = e.Read(last, Type::kPred);
    return e.refused() ? ignores : e.ir().CreateSelect(ignores, e.Int(64, 0), e.Int(64, size));
  }
  V given = e.Read(last, Type::kU32);
  return e.refused() ? given : e.ir().CreateZExt(given, e.ir().getInt64Ty());
}

void CopyAsync(FunctionEmitter& e, const ptx::Instruction& instruction) {
  const uint64_t size = instruction.operands[2].bits;
  if (size != 4 && size != 8 && size != 16) {
    e.Refuse("a copy of this size");
    return;
  }
  V given = GivenBytes(e, instruction, static_cast<uint32_t>(size));
  V to = AddressOfOperand(e, instruction.operands[0]);
  V from = AddressOfOperand(e, instruction.operands[1]);
  if (e.refused()) {
    return;
  }
  llvm::IRBuilder<>& ir = e.ir();
  if (given == nullptr) {
    CopyUnit(e, to, Space::kShared, from, Space::kGlobal, static_cast<uint32_t>(size));
    return;
  }
  llvm::BasicBlock* whole = e.NewBlock();
  llvm::BasicBlock* part = e.NewBlock();
  llvm::BasicBlock* after = e.NewBlock();
  ir.CreateCondBr(ir.CreateICmpUGE(given, e.Int(64, size)), whole, part);
  ir.SetInsertPoint(whole);
  CopyUnit(e, to, Space::kShared, from, Space::kGlobal, static_cast<uint32_t>(size));
  ir.CreateBr(after);
  ir.SetInsertPoint(part);
  CopyPart(e, to, from, static_cast<uint32_t>(size), given);
  ir.CreateBr(after);
  ir.SetInsertPoint(after);
}

// cp.async.bulk [to], [from], size, [mbarrier]: between shared and global memory in units of 16
// bytes; then so many bytes have come.
void CopyBulk(FunctionEmitter& e, const ptx::Instruction& instruction) {
  const std::span<const Operand> operands = instruction.operands;
  const bool is_counted = instruction.Has(Modifier::kMbarrierCompleteTxBytes);
  const bool loads = is_counted && instruction.Has(Modifier::kGlobal);
  const bool stores = instruction.Has(Modifier::kBulkGroup);
  if (instruction.Has(Modifier::kMulticastCluster) || operands.size() < (is_counted ? 4u : 3u) ||
      (!is_counted && !stores)) {
    e.Refuse("a bulk copy of this form");
    return;
  }
  constexpr uint32_t kUnitBytes = 16;
  V to = AddressOfOperand(e, operands[0]);
  V from = AddressOfOperand(e, operands[1]);
  V size = e.Read(operands[2], Type::kU32);
  if (e.refused()) {
    return;
  }
  V count = e.ir().CreateZExt(size, e.ir().getInt64Ty());
  EmitLoop(e, count, kUnitBytes, [&](V offset) {
    CopyUnit(e, e.ir().CreateAdd(to, offset), stores ? Space::kGlobal : Space::kShared,
             e.ir().CreateAdd(from, offset), loads ? Space::kGlobal : Space::kShared, kUnitBytes);
  });
  if (is_counted) {
    V pointer = CheckedPointer(e, operands[3], Space::kShared, sizeof(uint64_t));
    Operate(e, MbarrierStep::kCompleteBytes, pointer, count);
  }
}

void Cp(FunctionEmitter& e, const ptx::Instruction& instruction) {
  const auto has = [&](Modifier modifier) { return instruction.Has(modifier); };
  if (has(Modifier::kTensor) || has(Modifier::kReduce)) {
    e.Refuse("copies of tensors, and copies that reduce");
  } else if (has(Modifier::kCommitGroup) || has(Modifier::kWaitGroup) || has(Modifier::kWaitAll) ||
             has(Modifier::kPrefetch)) {
    return;  // every copy is done when it has been issued
  } else if (has(Modifier::kBulk)) {
    CopyBulk(e, instruction);
  } else if (has(Modifier::kMbarrier)) {
    // The copies before it are done, so they arrive now; without .noinc they are expected besides.
    V pointer = ObjectPointer(e, instruction, instruction.operands[0]);
    if (!e.refused() && has(Modifier::kNoinc)) {
      Operate(e, MbarrierStep::kArrive, pointer, e.Int(64, 1));
    }
  } else {
    CopyAsync(e, instruction);
  }
}

// --------------------------------------------------------------------------------------- the rest

// A policy is a hint to caches.
void Createpolicy(FunctionEmitter& e, const ptx::Instruction& instruction) {
  e.Write(instruction.operands[0], e.Int(64, 0), Type::kB64);
}

void Getctarank(FunctionEmitter& e, const ptx::Instruction& instruction) {
  e.Write(instruction.operands[0], e.Int(32, 0), Type::kU32);
}

// The same place in the memory of the cluster's block number 0, which is this one.
void Mapa(FunctionEmitter& e, const ptx::Instruction& instruction) {
  V address = e.Read(instruction.operands[1], instruction.type());
  if (!e.refused()) {
    e.Write(instruction.operands[0], address, instruction.type());
  }
}

// Grids of a stream run one after another: what this one depends on is over.
void Nothing(FunctionEmitter&, const ptx::Instruction&) {}

constexpr EmitterRow kRows[] = {
    {Opcode::kMbarrier, Mbarrier},     {Opcode::kCp, Cp},     {Opcode::kCreatepolicy, Createpolicy},
    {Opcode::kGetctarank, Getctarank}, {Opcode::kMapa, Mapa}, {Opcode::kGriddepcontrol, Nothing},
    {Opcode::kDiscard, Nothing},
};

}  // namespace

std::span<const EmitterRow> AsyncRows() {
  return kRows;
}

}  // namespace farlane::soft::jit
