// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/lockstep.h"

#include <algorithm>

#include "soft-gpu/jit/memory_access.h"

namespace farlane::soft::jit {
namespace {

using ptx::Opcode;

// What a thread last did to shared memory since it met the others.
enum class Last { kNothing, kLoad, kStore, kEither };

bool IsExchange(const ptx::Instruction& instruction, Opcode opcode, Exchanges exchanges) {
  return instruction.opcode == opcode && SpaceOf(instruction) == ptx::Space::kShared &&
         (exchanges == Exchanges::kAll || instruction.Has(ptx::Modifier::kVolatile));
}

bool HasExchange(const ptx::Body& body, Opcode opcode, Exchanges exchanges) {
  return std::any_of(body.instructions.begin(), body.instructions.end(),
                     [&](const ptx::Instruction& instruction) {
                       return IsExchange(instruction, opcode, exchanges);
                     });
}

// By instruction: whether a branch leads there from further down.
std::vector<bool> FindLoopHeads(const ptx::Body& body) {
  std::vector<bool> is_head(body.instructions.size() + 1, false);
  for (size_t i = 0; i < body.instructions.size(); ++i) {
    const ptx::Instruction& instruction = body.instructions[i];
    if (instruction.opcode == Opcode::kBra && !instruction.operands.empty() &&
        instruction.operands[0].kind == ptx::OperandKind::kLabel) {
      const uint32_t target = body.labels[instruction.operands[0].id].instruction;
      if (target <= i) {
        is_head[target] = true;
      }
    }
  }
  return is_head;
}

}  // namespace

bool IsMeeting(const ptx::Instruction& instruction) {
  switch (instruction.opcode) {
    case Opcode::kBar:
    case Opcode::kBarrier:
    case Opcode::kShfl:
    case Opcode::kVote:
    case Opcode::kMatch:
    case Opcode::kRedux:
    case Opcode::kElect:
      return true;
    default:
      return false;
  }
}

Exchanges ExchangesOf(const KernelSource& source) {
  const auto meets = [](const SourceFunction& function) {
    return std::any_of(function.body.instructions.begin(), function.body.instructions.end(),
                       IsMeeting);
  };
  return std::any_of(source.functions.begin(), source.functions.end(), meets) ? Exchanges::kVolatile
                                                                              : Exchanges::kAll;
}

bool HasTurns(const KernelSource& source) {
  const Exchanges exchanges = ExchangesOf(source);
  return std::any_of(source.functions.begin(), source.functions.end(),
                     [&](const SourceFunction& function) {
                       const std::vector<bool> turns = FindTurns(function.body, exchanges);
                       return std::find(turns.begin(), turns.end(), true) != turns.end();
                     });
}

std::vector<bool> FindTurns(const ptx::Body& body, Exchanges exchanges) {
  std::vector<bool> is_turn(body.instructions.size(), false);
  if (!HasExchange(body, Opcode::kLd, exchanges) || !HasExchange(body, Opcode::kSt, exchanges)) {
    return is_turn;
  }
  const std::vector<bool> is_head = FindLoopHeads(body);
  std::vector<bool> is_joined(body.instructions.size() + 1, false);
  for (const ptx::Label& label : body.labels) {
    is_joined[label.instruction] = true;
  }
  Last last = Last::kNothing;
  for (size_t i = 0; i < body.instructions.size(); ++i) {
    const ptx::Instruction& instruction = body.instructions[i];
    // Several ways lead here, and what was done on them is not the same.
    if (is_head[i] || (is_joined[i] && last != Last::kNothing)) {
      last = Last::kEither;
    }
    if (IsMeeting(instruction)) {
      last = Last::kNothing;
    } else if (IsExchange(instruction, Opcode::kLd, exchanges)) {
      is_turn[i] = last == Last::kStore || last == Last::kEither;
      last = Last::kLoad;
    } else if (IsExchange(instruction, Opcode::kSt, exchanges)) {
      is_turn[i] = last == Last::kLoad || last == Last::kEither;
      last = Last::kStore;
    }
  }
  return is_turn;
}

}  // namespace farlane::soft::jit
