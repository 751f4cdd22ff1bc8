// SPDX-License-Identifier: Apache-2.0
// alloca, stacksave and stackrestore. A thread's local memory is a stack: a function's own
// variables lie where its frame begins, and what it takes besides lies on top until it returns.
#include <bit>

#include "soft-gpu/jit/emitter_table.h"

namespace farlane::soft::jit {
namespace {

using ptx::Opcode;
using ptx::Operand;
using ptx::OperandKind;
using ptx::Type;
using V = llvm::Value*;

constexpr uint64_t kAlignBytesDefault = 8;
constexpr uint64_t kAlignBytesMax = 32;  // what a thread's local memory itself is aligned to

// The thread's local memory reaches up to `top` from here on.
void MoveTop(FunctionEmitter& e, V top) {
  V fits = e.ir().CreateICmpULE(top, e.BlockField(offsetof(BlockFrame, local_bytes), 64));
  e.FaultUnless(fits, top, static_cast<uint32_t>(FaultCause::kStack));
  e.SetLocalTop(top);
}

void Alloca(FunctionEmitter& e, const ptx::Instruction& instruction) {
  const std::span<const Operand> operands = instruction.operands;
  const uint64_t align = operands.size() > 2 ? operands[2].bits : kAlignBytesDefault;
  if (!std::has_single_bit(align) || align > kAlignBytesMax) {
    e.Refuse("an alignment of more than 32 bytes");
    return;
  }
  V size = e.Read(operands[1], instruction.type());
  if (e.refused()) {
    return;
  }
  llvm::IRBuilder<>& ir = e.ir();
  const auto rounded_up = [&](V value) {
    return ir.CreateAnd(ir.CreateAdd(value, e.Int(64, align - 1)), e.Int(64, ~(align - 1)));
  };
  V start = rounded_up(e.LocalTop());
  V room = e.BlockField(offsetof(BlockFrame, local_bytes), 64);
  // Before it is added: a size near 2^64 must not wrap.
  V wanted = ir.CreateZExt(size, ir.getInt64Ty());
  V wanted_or_all =
      ir.CreateBinaryIntrinsic(llvm::Intrinsic::umin, wanted, ir.CreateAdd(room, e.Int(64, 1)));
  MoveTop(e, ir.CreateAdd(start, wanted_or_all));
  e.Write(operands[0], ir.CreateTrunc(start, e.TypeFor(instruction.type())), instruction.type());
}

void Stacksave(FunctionEmitter& e, const ptx::Instruction& instruction) {
  V top = e.ir().CreateTrunc(e.LocalTop(), e.TypeFor(instruction.type()));
  e.Write(instruction.operands[0], top, instruction.type());
}

void Stackrestore(FunctionEmitter& e, const ptx::Instruction& instruction) {
  V top = e.Read(instruction.operands[0], instruction.type());
  if (!e.refused()) {
    MoveTop(e, e.ir().CreateZExt(top, e.ir().getInt64Ty()));
  }
}

constexpr EmitterRow kRows[] = {
    {Opcode::kAlloca, Alloca},
    {Opcode::kStacksave, Stacksave},
    {Opcode::kStackrestore, Stackrestore},
};

}  // namespace

std::span<const EmitterRow> StackRows() {
  return kRows;
}

}  // namespace farlane::soft::jit
