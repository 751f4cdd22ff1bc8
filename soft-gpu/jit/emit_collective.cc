// SPDX-License-Identifier: Apache-2.0
// Instructions in which a thread waits for others: barriers of the block and the collectives of a
// warp. Each is a call of the runtime, which switches to another thread until all have come.
#include <cstddef>

#include "soft-gpu/jit/collective.h"
#include "soft-gpu/jit/emitter_table.h"
#include "soft-gpu/jit/runtime_function.h"

namespace farlane::soft::jit {
namespace {

using ptx::Modifier;
using ptx::Opcode;
using ptx::Operand;
using ptx::OperandKind;
using ptx::Type;
using V = llvm::Value*;

// ------------------------------------------------------------------------------ the block's
// barriers

BarrierKind BarrierKindOf(const ptx::Instruction& instruction) {
  if (instruction.Has(Modifier::kArrive)) {
    return BarrierKind::kArrive;
  }
  if (!instruction.Has(Modifier::kRed)) {
    return BarrierKind::kSync;
  }
  if (instruction.Has(Modifier::kPopc)) {
    return BarrierKind::kCount;
  }
  return instruction.Has(Modifier::kAnd) ? BarrierKind::kAnd : BarrierKind::kOr;
}

// A warp's barrier: bar.warp.sync mask.
void WarpSync(FunctionEmitter& e, const ptx::Instruction& instruction) {
  V mask = e.Read(instruction.operands[0], Type::kU32);
  if (!e.refused()) {
    e.CallRuntime(kWarpFunction, e.ir().getInt64Ty(),
                  {e.Int(32, static_cast<uint32_t>(WarpKind::kSync)), mask, e.Int(64, 0),
                   e.Int(32, 0), e.Int(32, 0)});
  }
}

// A block is a cluster of its own, so its threads meet where they wait; nothing is to be done where
// they arrive.
void ClusterBarrier(FunctionEmitter& e, const ptx::Instruction& instruction) {
  if (instruction.Has(Modifier::kWait)) {
    e.CallRuntime(kBarrierFunction, e.ir().getInt32Ty(),
                  {e.Int(32, static_cast<uint32_t>(BarrierKind::kSync)), e.Int(32, kClusterBarrier),
                   e.Int(32, 0), e.Int(32, 0)});
  }
}

void Barrier(FunctionEmitter& e, const ptx::Instruction& instruction) {
  if (instruction.Has(Modifier::kWarp)) {
    WarpSync(e, instruction);
    return;
  }
  if (instruction.Has(Modifier::kCluster)) {
    ClusterBarrier(e, instruction);
    return;
  }
  const bool reduces = instruction.Has(Modifier::kRed);
  const std::span<const Operand> operands = instruction.operands;
  const size_t first = reduces ? 1 : 0;
  const size_t last = operands.size() - (reduces ? 1 : 0);  // one past the count
  V number = e.Read(operands[first], Type::kU32);
  V count = last > first + 1 ? e.Read(operands[first + 1], Type::kU32) : e.Int(32, 0);
  V vote = reduces ? e.Read(operands.back(), Type::kPred) : e.ir().getFalse();
  if (e.refused()) {
    return;
  }
  V result = e.CallRuntime(kBarrierFunction, e.ir().getInt32Ty(),
                           {e.Int(32, static_cast<uint32_t>(BarrierKindOf(instruction))), number,
                            count, e.ir().CreateZExt(vote, e.ir().getInt32Ty())});
  if (!reduces) {
    return;
  }
  if (instruction.Has(Modifier::kPopc)) {
    e.Write(operands[0], result, Type::kU32);
  } else {
    e.Write(operands[0], e.ir().CreateICmpNE(result, e.Int(32, 0)), Type::kPred);
  }
}

// ------------------------------------------------------------------------------------------- warps

// Calls the runtime's collective: kind, members, this lane's value and two arguments.
V Collect(FunctionEmitter& e, WarpKind kind, V members, V value, V first, V second) {
  return e.CallRuntime(kWarpFunction, e.ir().getInt64Ty(),
                       {e.Int(32, static_cast<uint32_t>(kind)), members,
                        e.ir().CreateZExt(value, e.ir().getInt64Ty()), first, second});
}

V Low32(FunctionEmitter& e, V result) {
  return e.ir().CreateTrunc(result, e.ir().getInt32Ty());
}

// The predicate a collective gives beside its value.
V Bit32(FunctionEmitter& e, V result) {
  return e.ir().CreateTrunc(e.ir().CreateLShr(result, 32), e.ir().getInt1Ty());
}

// Writes d or d|p.
void WritePair(FunctionEmitter& e, const Operand& to, V value, V predicate, Type type) {
  if (to.kind == OperandKind::kPair) {
    e.Write(to.children[0], value, type);
    e.Write(to.children[1], predicate, Type::kPred);
  } else {
    e.Write(to, value, type);
  }
}

void Shfl(FunctionEmitter& e, const ptx::Instruction& instruction) {
  const std::span<const Operand> operands = instruction.operands;
  const WarpKind kind = instruction.Has(Modifier::kUp)     ? WarpKind::kShuffleUp
                        : instruction.Has(Modifier::kDown) ? WarpKind::kShuffleDown
                        : instruction.Has(Modifier::kBfly) ? WarpKind::kShuffleXor
                                                           : WarpKind::kShuffleIndex;
  V value = e.Read(operands[1], Type::kB32);
  V distance = e.Read(operands[2], Type::kU32);
  V clamp = e.Read(operands[3], Type::kU32);
  V members = operands.size() > 4 ? e.Read(operands[4], Type::kU32) : e.Int(32, 0xffffffff);
  if (e.refused()) {
    return;
  }
  V result = Collect(e, kind, members, value, distance, clamp);
  WritePair(e, operands[0], Low32(e, result), Bit32(e, result), Type::kB32);
}

void Vote(FunctionEmitter& e, const ptx::Instruction& instruction) {
  const std::span<const Operand> operands = instruction.operands;
  const bool is_ballot = instruction.Has(Modifier::kBallot);
  const WarpKind kind = is_ballot                         ? WarpKind::kBallot
                        : instruction.Has(Modifier::kAll) ? WarpKind::kAll
                        : instruction.Has(Modifier::kAny) ? WarpKind::kAny
                                                          : WarpKind::kUniform;
  V value = e.Read(operands[1], Type::kPred);
  V members = operands.size() > 2 ? e.Read(operands[2], Type::kU32) : e.Int(32, 0xffffffff);
  if (e.refused()) {
    return;
  }
  V result = Low32(e, Collect(e, kind, members, value, e.Int(32, 0), e.Int(32, 0)));
  if (is_ballot) {
    e.Write(operands[0], result, Type::kB32);
  } else {
    e.Write(operands[0], e.ir().CreateICmpNE(result, e.Int(32, 0)), Type::kPred);
  }
}

void Match(FunctionEmitter& e, const ptx::Instruction& instruction) {
  const std::span<const Operand> operands = instruction.operands;
  V value = e.Read(operands[1], instruction.type());
  V members = e.Read(operands[2], Type::kU32);
  if (e.refused()) {
    return;
  }
  const WarpKind kind = instruction.Has(Modifier::kAll) ? WarpKind::kMatchAll : WarpKind::kMatchAny;
  V result = Collect(e, kind, members, value, e.Int(32, 0), e.Int(32, 0));
  WritePair(e, operands[0], Low32(e, result), Bit32(e, result), Type::kB32);
}

struct Reduction {
  Modifier name;
  WarpKind for_signed;
  WarpKind for_unsigned;
};

constexpr Reduction kReductions[] = {
    {Modifier::kAdd, WarpKind::kAdd, WarpKind::kAdd},
    {Modifier::kMin, WarpKind::kMinSigned, WarpKind::kMinUnsigned},
    {Modifier::kMax, WarpKind::kMaxSigned, WarpKind::kMaxUnsigned},
    {Modifier::kAnd, WarpKind::kBitAnd, WarpKind::kBitAnd},
    {Modifier::kOr, WarpKind::kBitOr, WarpKind::kBitOr},
    {Modifier::kXor, WarpKind::kBitXor, WarpKind::kBitXor},
};

void Redux(FunctionEmitter& e, const ptx::Instruction& instruction) {
  V value = e.Read(instruction.operands[1], Type::kB32);
  V members = e.Read(instruction.operands[2], Type::kU32);
  if (instruction.type() == Type::kF32 && !e.refused()) {
    const uint32_t flags = (instruction.Has(Modifier::kAbs) ? kSizesOnly : 0) |
                           (instruction.Has(Modifier::kNan) ? kNansWin : 0);
    const WarpKind kind =
        instruction.Has(Modifier::kMin) ? WarpKind::kMinFloat : WarpKind::kMaxFloat;
    V result = Collect(e, kind, members, value, e.Int(32, flags), e.Int(32, 0));
    e.Write(instruction.operands[0], Low32(e, result), Type::kB32);
    return;
  }
  for (const Reduction& row : kReductions) {
    if (instruction.Has(row.name) && !e.refused()) {
      const WarpKind kind = ptx::IsSigned(instruction.type()) ? row.for_signed : row.for_unsigned;
      V result = Collect(e, kind, members, value, e.Int(32, 0), e.Int(32, 0));
      e.Write(instruction.operands[0], Low32(e, result), Type::kB32);
      return;
    }
  }
  e.Refuse("this reduction");
}

// The lowest member is elected.
void Elect(FunctionEmitter& e, const ptx::Instruction& instruction) {
  V members = e.Read(instruction.operands[1], Type::kU32);
  if (e.refused()) {
    return;
  }
  V result = Collect(e, WarpKind::kElect, members, e.Int(32, 0), e.Int(32, 0), e.Int(32, 0));
  WritePair(e, instruction.operands[0], Low32(e, result), Bit32(e, result), Type::kB32);
}

// Threads run one at a time here, so lanes are only together where they wait for each other.
void Activemask(FunctionEmitter& e, const ptx::Instruction& instruction) {
  V lanes =
      e.CallRuntime(kConvergeFunction, e.ir().getInt32Ty(), {e.Int(64, e.PlaceOf(instruction))});
  e.Write(instruction.operands[0], lanes, Type::kB32);
}

void Nanosleep(FunctionEmitter& e, const ptx::Instruction&) {
  e.CallRuntime(kYieldFunction, e.ir().getVoidTy(), {});
}

constexpr EmitterRow kRows[] = {
    {Opcode::kBar, Barrier}, {Opcode::kBarrier, Barrier},       {Opcode::kShfl, Shfl},
    {Opcode::kVote, Vote},   {Opcode::kMatch, Match},           {Opcode::kRedux, Redux},
    {Opcode::kElect, Elect}, {Opcode::kActivemask, Activemask}, {Opcode::kNanosleep, Nanosleep},
};

}  // namespace

std::span<const EmitterRow> CollectiveRows() {
  return kRows;
}

}  // namespace farlane::soft::jit
