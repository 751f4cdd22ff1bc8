// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/memory_access.h"

#include <bit>
#include <cstddef>

namespace farlane::soft::jit {
namespace {

using ptx::Modifier;
using ptx::Operand;
using ptx::Ref;
using ptx::Space;
using V = llvm::Value*;

uint32_t CauseOf(FaultCause cause, uint32_t bytes) {
  return static_cast<uint32_t>(cause) | static_cast<uint32_t>(std::countr_zero(bytes)) << 8;
}

// Whether `offset` is a multiple of `bytes` and the whole access lies below `limit`: rotating moves
// the bits that must be zero to the top, so one comparison sees both.
V IsInside(FunctionEmitter& e, V offset, V limit, uint32_t bytes) {
  const unsigned shift = std::countr_zero(bytes);
  if (shift == 0) {
    return e.ir().CreateICmpULT(offset, limit);
  }
  V rotated = e.ir().CreateIntrinsic(llvm::Intrinsic::fshr, {offset->getType()},
                                     {offset, offset, e.Int(64, shift)});
  return e.ir().CreateICmpULT(rotated, e.ir().CreateLShr(limit, shift));
}

V ToPointer(FunctionEmitter& e, V address) {
  return e.ir().CreateIntToPtr(address, e.ir().getPtrTy());
}

V InWindow(FunctionEmitter& e, V address, uint32_t bytes) {
  V offset = e.ir().CreateSub(address, e.BlockField(offsetof(BlockFrame, window_base), 64));
  return IsInside(e, offset, e.BlockField(offsetof(BlockFrame, window_bytes), 64), bytes);
}

// Whether the grid has a right to the frame at an address that lies in the window.
V HasRight(FunctionEmitter& e, V address) {
  llvm::IRBuilder<>& ir = e.ir();
  V offset = ir.CreateSub(address, e.BlockField(offsetof(BlockFrame, window_base), 64));
  V table = ToPointer(e, e.BlockField(offsetof(BlockFrame, frame_rights), 64));
  V place = ir.CreateGEP(ir.getInt32Ty(), table, ir.CreateLShr(offset, kFrameShift));
  V common = ir.CreateAnd(ir.CreateLoad(ir.getInt32Ty(), place),
                          e.BlockField(offsetof(BlockFrame, rights), 32));
  return ir.CreateICmpNE(common, e.Int(32, 0));
}

// No access crosses the border of a frame, since each is aligned to its size.
void DemandRight(FunctionEmitter& e, V address, uint32_t bytes) {
  if (e.module().has_rights) {
    e.FaultUnless(HasRight(e, address), address, CauseOf(FaultCause::kAccess, bytes));
  }
}

V GlobalPointer(FunctionEmitter& e, V address, uint32_t bytes) {
  e.FaultUnless(InWindow(e, address, bytes), address, CauseOf(FaultCause::kAccess, bytes));
  DemandRight(e, address, bytes);
  e.AskAbout(address, CauseOf(FaultCause::kAccess, bytes));
  return ToPointer(e, address);
}

V GenericPointer(FunctionEmitter& e, V address, uint32_t bytes) {
  llvm::IRBuilder<>& ir = e.ir();
  llvm::BasicBlock* inside = e.NewBlock();
  llvm::BasicBlock* elsewhere = e.NewBlock();
  llvm::BasicBlock* allowed = e.NewBlock();
  llvm::MDNode* likely = llvm::MDBuilder(ir.getContext()).createBranchWeights(64, 1);
  ir.CreateCondBr(InWindow(e, address, bytes), inside, elsewhere, likely);
  ir.SetInsertPoint(inside);
  DemandRight(e, address, bytes);
  ir.CreateBr(allowed);
  ir.SetInsertPoint(elsewhere);
  V offset = ir.CreateSub(address, e.BlockField(offsetof(BlockFrame, arena_base), 64));
  V is_inside = IsInside(e, offset, e.BlockField(offsetof(BlockFrame, arena_bytes), 64), bytes);
  e.FaultUnless(is_inside, address, CauseOf(FaultCause::kAccess, bytes));
  ir.CreateBr(allowed);
  ir.SetInsertPoint(allowed);
  e.AskAbout(address, CauseOf(FaultCause::kAccess, bytes));
  return ToPointer(e, address);
}

// Shared, local and parameter memory: an offset below a limit, from a base of ours.
V OffsetPointer(FunctionEmitter& e, V offset, V base, V limit, FaultCause cause, uint32_t bytes) {
  e.FaultUnless(IsInside(e, offset, limit, bytes), offset, CauseOf(cause, bytes));
  return ToPointer(e, e.ir().CreateAdd(base, offset));
}

// A slot of a call's parameter: its offset is known now, so it is checked now.
V SlotPointer(FunctionEmitter& e, const Operand& operand, V slot, uint32_t bytes) {
  const uint64_t size = e.VariableOrNull(operand)->SizeOf();
  const auto offset = static_cast<uint64_t>(operand.offset);
  if (offset > size || size - offset < bytes || offset % bytes != 0) {
    return e.Refuse("an access outside of a parameter");
  }
  return e.ir().CreateConstGEP1_64(e.ir().getInt8Ty(), slot, offset);
}

V AddressValue(FunctionEmitter& e, const Operand& operand) {
  if (operand.ref == Ref::kNone) {
    return e.Int(64, static_cast<uint64_t>(operand.offset));
  }
  if (operand.ref != Ref::kRegister) {
    return e.AddressOf(operand);
  }
  Operand base = operand;
  base.kind = ptx::OperandKind::kRegister;
  const uint32_t bits = ptx::BitsOf(e.body().registers[operand.id].type);
  if (bits == 64) {
    V value = e.Read(base, ptx::Type::kU64);
    return e.ir().CreateAdd(value, e.Int(64, static_cast<uint64_t>(operand.offset)));
  }
  // 32-bit addresses wrap at 32 bits.
  V value = e.Read(base, ptx::Type::kU32);
  if (e.refused()) {
    return value;
  }
  V sum = e.ir().CreateAdd(value, e.Int(32, static_cast<uint32_t>(operand.offset)));
  return e.ir().CreateZExt(sum, e.ir().getInt64Ty());
}

V PointerInSpace(FunctionEmitter& e, V address, Space space, uint32_t bytes) {
  switch (space) {
    case Space::kNone:
      return GenericPointer(e, address, bytes);
    case Space::kGlobal:
    case Space::kConst:
      return GlobalPointer(e, address, bytes);
    case Space::kShared:
      return OffsetPointer(e, address, e.BlockField(offsetof(BlockFrame, shared_base), 64),
                           e.BlockField(offsetof(BlockFrame, shared_bytes), 64),
                           FaultCause::kShared, bytes);
    case Space::kLocal:
      return OffsetPointer(e, address, e.ThreadField(offsetof(ThreadFrame, local_base), 64),
                           e.BlockField(offsetof(BlockFrame, local_bytes), 64), FaultCause::kLocal,
                           bytes);
    case Space::kParam:
      return OffsetPointer(e, address, e.BlockField(offsetof(BlockFrame, parameters), 64),
                           e.Int(64, e.module().source.parameter_bytes), FaultCause::kParameter,
                           bytes);
    default:
      return e.Refuse("this state space");
  }
}

// Where a space lies and how far it reaches; addresses of shared and local memory count from it.
struct Region {
  V base;
  V bytes;
  bool is_relative;
};

Region RegionOf(FunctionEmitter& e, Space space) {
  switch (space) {
    case Space::kShared:
      return {e.BlockField(offsetof(BlockFrame, shared_base), 64),
              e.BlockField(offsetof(BlockFrame, shared_bytes), 64), true};
    case Space::kLocal:
      return {e.ThreadField(offsetof(ThreadFrame, local_base), 64),
              e.BlockField(offsetof(BlockFrame, local_bytes), 64), true};
    default:
      return {e.BlockField(offsetof(BlockFrame, window_base), 64),
              e.BlockField(offsetof(BlockFrame, window_bytes), 64), false};
  }
}

const Operand& AddressOperand(const ptx::Instruction& instruction) {
  return instruction.operands[instruction.opcode == ptx::Opcode::kSt ? 0 : 1];
}

// Checks each access of a group by itself, in front of the first: none of them can be avoided.
void CheckSingly(FunctionEmitter& e, const AccessGroup& group) {
  for (const uint32_t member : group.members) {
    const size_t here = e.Turn(member);
    V address = AddressValue(e, AddressOperand(e.body().instructions[member]));
    PointerInSpace(e, address, group.space, group.bytes);
    e.Turn(here);
  }
}

// Whether a group that is inside of the window, if it is, lies in frames that the grid has a right
// to: those of its first and its last access, as it may reach over one border.
V HasRights(FunctionEmitter& e, const AccessGroup& group, V start, V is_inside) {
  llvm::IRBuilder<>& ir = e.ir();
  const auto reach = static_cast<uint64_t>(group.last_offset - group.first_offset);
  if (reach >> kFrameShift != 0) {
    return ir.getFalse();
  }
  // The table has no entry for what is outside.
  V safe = ir.CreateSelect(is_inside, start, e.BlockField(offsetof(BlockFrame, window_base), 64));
  V both = ir.CreateAnd(HasRight(e, safe), HasRight(e, ir.CreateAdd(safe, e.Int(64, reach))));
  return ir.CreateAnd(is_inside, both);
}

// Where the lowest access of a group lies, once all of the group may be made.
V CheckGroup(FunctionEmitter& e, const AccessGroup& group, Operand lowest) {
  llvm::IRBuilder<>& ir = e.ir();
  lowest.offset = group.first_offset;
  V address = AddressValue(e, lowest);
  const Region region = RegionOf(e, group.space);
  V offset = region.is_relative ? address : ir.CreateSub(address, region.base);
  V reach = e.Int(64, static_cast<uint64_t>(group.last_offset - group.first_offset));
  V limit = ir.CreateBinaryIntrinsic(llvm::Intrinsic::usub_sat, region.bytes, reach);
  llvm::BasicBlock* singly = e.NewBlock();
  llvm::BasicBlock* allowed = e.NewBlock();
  llvm::MDNode* likely = llvm::MDBuilder(ir.getContext()).createBranchWeights(1 << 20, 1);
  V start = region.is_relative ? ir.CreateAdd(region.base, address) : address;
  V is_inside = IsInside(e, offset, limit, group.bytes);
  if (e.module().has_rights && !region.is_relative) {
    is_inside = HasRights(e, group, start, is_inside);
  }
  ir.CreateCondBr(is_inside, allowed, singly, likely);
  ir.SetInsertPoint(singly);
  CheckSingly(e, group);
  ir.CreateBr(allowed);
  ir.SetInsertPoint(allowed);
  return start;
}

// The pointer of an access that belongs to a group.
V GroupedPointer(FunctionEmitter& e, const AccessGroup& group, const Operand& operand) {
  V& start = e.GroupStart();
  if (start == nullptr) {
    start = CheckGroup(e, group, operand);
  }
  V distance = e.Int(64, static_cast<uint64_t>(operand.offset - group.first_offset));
  return ToPointer(e, e.ir().CreateAdd(start, distance));
}

}  // namespace

Space SpaceOf(const ptx::Instruction& instruction) {
  struct Row {
    Modifier modifier;
    Space space;
  };

  static constexpr Row kRows[] = {
      {Modifier::kGlobal, Space::kGlobal},        {Modifier::kConst, Space::kConst},
      {Modifier::kShared, Space::kShared},        {Modifier::kSharedCta, Space::kShared},
      {Modifier::kSharedCluster, Space::kShared}, {Modifier::kLocal, Space::kLocal},
      {Modifier::kParam, Space::kParam},          {Modifier::kParamEntry, Space::kParam},
      {Modifier::kParamFunc, Space::kParam},
  };
  for (const Row& row : kRows) {
    if (instruction.Has(row.modifier)) {
      return row.space;
    }
  }
  return Space::kNone;
}

llvm::Value* CheckedPointer(FunctionEmitter& e,
                            const Operand& operand,
                            Space space,
                            uint32_t bytes) {
  if (space == Space::kParam) {
    if (V slot = e.ParameterSlotOrNull(operand)) {
      return SlotPointer(e, operand, slot, bytes);
    }
  }
  if (const AccessGroup* group = e.GroupOrNull()) {
    return GroupedPointer(e, *group, operand);
  }
  V address = AddressValue(e, operand);
  return e.refused() ? address : PointerInSpace(e, address, space, bytes);
}

llvm::Value* AddressOfOperand(FunctionEmitter& e, const Operand& operand) {
  return AddressValue(e, operand);
}

llvm::Value* CheckedPointerAt(FunctionEmitter& e,
                              llvm::Value* address,
                              Space space,
                              uint32_t bytes) {
  return PointerInSpace(e, address, space, bytes);
}

}  // namespace farlane::soft::jit
