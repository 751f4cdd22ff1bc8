// SPDX-License-Identifier: Apache-2.0
// Special registers: most are fields of the frames, the rest follow from them.
#include <cstddef>

#include "soft-gpu/jit/function_emitter.h"
#include "soft-gpu/jit/runtime_function.h"

namespace farlane::soft::jit {
namespace {

using ptx::Selector;
using ptx::SpecialRegister;
using V = llvm::Value*;

constexpr uint32_t kWarpThreads = 32;

// .x .y .z of a register with three components; %tid.w and its kin are 0, counts are 1.
V Component(FunctionEmitter& e,
            const ptx::Operand& operand,
            size_t offset,
            bool is_thread,
            uint32_t fourth) {
  const int index = static_cast<int>(operand.selector) - static_cast<int>(Selector::kX);
  if (index < 0 || index > 3) {
    return e.Refuse("a special register without its component");
  }
  if (index == 3) {
    return e.Int(32, fourth);
  }
  const size_t field = offset + 4 * static_cast<size_t>(index);
  return is_thread ? e.ThreadField(field, 32) : e.BlockField(field, 32);
}

V Lane(FunctionEmitter& e) {
  return e.ir().CreateAnd(e.ThreadField(offsetof(ThreadFrame, linear), 32),
                          e.Int(32, kWarpThreads - 1));
}

V LaneMask(FunctionEmitter& e, SpecialRegister name) {
  llvm::IRBuilder<>& ir = e.ir();
  V bit = ir.CreateShl(e.Int(32, 1), Lane(e));
  V below = ir.CreateSub(bit, e.Int(32, 1));
  switch (name) {
    case SpecialRegister::kLanemaskEq:
      return bit;
    case SpecialRegister::kLanemaskLt:
      return below;
    case SpecialRegister::kLanemaskLe:
      return ir.CreateOr(bit, below);
    case SpecialRegister::kLanemaskGt:
      return ir.CreateNot(ir.CreateOr(bit, below));
    default:
      return ir.CreateNot(below);
  }
}

// Time is read anew each time: the call is not pure.
V Clock(FunctionEmitter& e, const char* function, unsigned shift, unsigned bits) {
  V time = e.CallRuntime(function, e.ir().getInt64Ty(), {});
  return e.ir().CreateTrunc(e.ir().CreateLShr(time, shift), e.IntType(bits));
}

V WarpsPerBlock(FunctionEmitter& e) {
  llvm::IRBuilder<>& ir = e.ir();
  V threads = ir.CreateMul(e.BlockField(offsetof(BlockFrame, ntid), 32),
                           ir.CreateMul(e.BlockField(offsetof(BlockFrame, ntid) + 4, 32),
                                        e.BlockField(offsetof(BlockFrame, ntid) + 8, 32)));
  return ir.CreateLShr(ir.CreateAdd(threads, e.Int(32, kWarpThreads - 1)), 5);
}

// A block is a cluster of its own.
V ClusterRegister(FunctionEmitter& e, const ptx::Operand& operand, SpecialRegister name) {
  switch (name) {
    case SpecialRegister::kClusterid:
      return Component(e, operand, offsetof(BlockFrame, ctaid), false, 0);
    case SpecialRegister::kNclusterid:
      return Component(e, operand, offsetof(BlockFrame, nctaid), false, 1);
    case SpecialRegister::kClusterNctaid:
    case SpecialRegister::kClusterNctarank:
      return e.Int(32, 1);
    case SpecialRegister::kClusterCtaid:
    case SpecialRegister::kClusterCtarank:
    case SpecialRegister::kIsExplicitCluster:
      return e.Int(32, 0);
    default:
      return e.Refuse("the special register " + std::string(NameOf(name)));
  }
}

// The system's part of shared memory. Both numbered offsets lie in it, each with half of it.
V ReservedShared(FunctionEmitter& e, SpecialRegister name) {
  const auto begin = static_cast<uint32_t>(e.kernel().layout.reserved_shared_offset);
  switch (name) {
    case SpecialRegister::kReservedSmemOffsetBegin:
    case SpecialRegister::kReservedSmemOffset0:
      return e.Int(32, begin);
    case SpecialRegister::kReservedSmemOffset1:
      return e.Int(32, begin + ptx::kReservedSharedBytes / 2);
    default:
      return e.Int(32, begin + ptx::kReservedSharedBytes);
  }
}

V GridRegister(FunctionEmitter& e, const ptx::Operand& operand, SpecialRegister name) {
  switch (name) {
    case SpecialRegister::kWarpid:
      return e.ir().CreateLShr(e.ThreadField(offsetof(ThreadFrame, linear), 32), 5);
    case SpecialRegister::kNwarpid:
      return WarpsPerBlock(e);
    case SpecialRegister::kSmid:
      return e.BlockField(offsetof(BlockFrame, worker), 32);
    case SpecialRegister::kNsmid:
      return e.BlockField(offsetof(BlockFrame, workers_count), 32);
    case SpecialRegister::kGridid:
      return e.BlockField(offsetof(BlockFrame, grid_id), 64);
    case SpecialRegister::kTotalSmemSize:
    case SpecialRegister::kAggrSmemSize:
      return e.BlockField(offsetof(BlockFrame, shared_bytes), 32);
    case SpecialRegister::kDynamicSmemSize:
      return e.BlockField(offsetof(BlockFrame, dynamic_shared_bytes), 32);
    case SpecialRegister::kReservedSmemOffsetBegin:
    case SpecialRegister::kReservedSmemOffsetEnd:
    case SpecialRegister::kReservedSmemOffsetCap:
    case SpecialRegister::kReservedSmemOffset0:
    case SpecialRegister::kReservedSmemOffset1:
      return ReservedShared(e, name);
    case kGridWorkspaceHigh:
    case kGridWorkspaceLow: {
      V workspace = e.BlockField(offsetof(BlockFrame, grid_workspace), 64);
      V half = name == kGridWorkspaceHigh ? e.ir().CreateLShr(workspace, 32) : workspace;
      return e.ir().CreateTrunc(half, e.IntType(32));
    }
    default:
      return ClusterRegister(e, operand, name);
  }
}

V TimeRegister(FunctionEmitter& e, const ptx::Operand& operand, SpecialRegister name) {
  switch (name) {
    case SpecialRegister::kClock:
      return Clock(e, kClockFunction, 0, 32);
    case SpecialRegister::kClockHi:
      return Clock(e, kClockFunction, 32, 32);
    case SpecialRegister::kClock64:
      return Clock(e, kClockFunction, 0, 64);
    case SpecialRegister::kGlobaltimer:
      return Clock(e, kTimerFunction, 0, 64);
    case SpecialRegister::kGlobaltimerLo:
      return Clock(e, kTimerFunction, 0, 32);
    case SpecialRegister::kGlobaltimerHi:
      return Clock(e, kTimerFunction, 32, 32);
    default:
      return GridRegister(e, operand, name);
  }
}

}  // namespace

llvm::Value* EmitSpecial(FunctionEmitter& e, const ptx::Operand& operand) {
  const auto name = static_cast<SpecialRegister>(operand.id);
  switch (name) {
    case SpecialRegister::kTid:
      return Component(e, operand, offsetof(ThreadFrame, tid), true, 0);
    case SpecialRegister::kNtid:
      return Component(e, operand, offsetof(BlockFrame, ntid), false, 1);
    case SpecialRegister::kCtaid:
      return Component(e, operand, offsetof(BlockFrame, ctaid), false, 0);
    case SpecialRegister::kNctaid:
      return Component(e, operand, offsetof(BlockFrame, nctaid), false, 1);
    case SpecialRegister::kLaneid:
      return Lane(e);
    case SpecialRegister::kLanemaskEq:
    case SpecialRegister::kLanemaskLt:
    case SpecialRegister::kLanemaskLe:
    case SpecialRegister::kLanemaskGt:
    case SpecialRegister::kLanemaskGe:
      return LaneMask(e, name);
    default:
      return TimeRegister(e, operand, name);
  }
}

}  // namespace farlane::soft::jit
