// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/spin.h"

#include <algorithm>
#include <span>

namespace farlane::soft::jit {
namespace {

using ptx::Modifier;
using ptx::Opcode;
using ptx::Operand;
using ptx::OperandKind;

// Steps for each instruction that may go into looking; a text full of loops inside each other would
// take as many as the square of its length.
constexpr size_t kStepsPerInstruction = 64;

// Reads what another thread may be about to write, whatever becomes of it.
bool LooksAtOthers(const ptx::Instruction& instruction) {
  if (instruction.opcode == Opcode::kAtom) {
    return instruction.Has(Modifier::kCas) || instruction.Has(Modifier::kExch);
  }
  if (instruction.opcode == Opcode::kMbarrier) {
    return instruction.Has(Modifier::kTestWait);
  }
  return instruction.opcode == Opcode::kLd &&
         (instruction.Has(Modifier::kVolatile) || instruction.Has(Modifier::kRelaxed) ||
          instruction.Has(Modifier::kAcquire));
}

// Calls visit(register) for each register of an operand.
template <typename F>
void ForEachRegister(const Operand& operand, const F& visit) {
  if (operand.ref == ptx::Ref::kRegister) {
    visit(operand.id);
  }
  for (const Operand& child : operand.children) {
    ForEachRegister(child, visit);
  }
}

// What an instruction writes stands first, unless that is an address or a call's target.
bool WritesFirst(const ptx::Instruction& instruction) {
  if (instruction.operands.empty() || instruction.opcode == Opcode::kBra ||
      instruction.opcode == Opcode::kBrx) {
    return false;
  }
  const OperandKind kind = instruction.operands[0].kind;
  return kind == OperandKind::kRegister || kind == OperandKind::kVector ||
         kind == OperandKind::kPair || kind == OperandKind::kTuple;
}

// Finds the loops of one body that wait.
// Thread: caller's.
class SpinFinder {
 public:
  explicit SpinFinder(const ptx::Body& body)
      : body_(body), is_zero_(FindZeros()), is_wanted_(body.registers.size(), false) {
    steps_left_ = (body.instructions.size() + 1) * kStepsPerInstruction;
    for (const ptx::Instruction& instruction : body.instructions) {
      looks_before_.push_back(looks_before_.back() + (LooksAtOthers(instruction) ? 1 : 0));
      asks_before_.push_back(asks_before_.back() + (AsksAgain(instruction) ? 1 : 0));
    }
  }

  std::vector<bool> Run() {
    std::vector<bool> is_spin(body_.instructions.size(), false);
    for (uint32_t i = 0; i < body_.instructions.size(); ++i) {
      const uint32_t target = TargetOf(body_.instructions[i]);
      if (target <= i) {
        is_spin[i] = looks_before_[i] != looks_before_[target] ||
                     (asks_before_[i] != asks_before_[target] && IsLeftByAnswer(target, i));
      }
    }
    return is_spin;
  }

 private:
  // Where a branch leads; kNoIndex for anything else.
  uint32_t TargetOf(const ptx::Instruction& instruction) const {
    const bool is_branch = instruction.opcode == Opcode::kBra && !instruction.operands.empty() &&
                           instruction.operands[0].kind == OperandKind::kLabel;
    return is_branch ? body_.labels[instruction.operands[0].id].instruction : ptx::kNoIndex;
  }

  // Registers that hold 0 and never anything else.
  std::vector<bool> FindZeros() const {
    std::vector<uint8_t> writes(body_.registers.size(), 0);
    std::vector<bool> is_zero(body_.registers.size(), false);
    for (const ptx::Instruction& instruction : body_.instructions) {
      if (!WritesFirst(instruction)) {
        continue;
      }
      ForEachRegister(instruction.operands[0], [&](uint32_t id) {
        writes[id] = static_cast<uint8_t>(std::min(writes[id] + 1, 2));
        is_zero[id] = instruction.opcode == Opcode::kMov && instruction.operands.size() == 2 &&
                      IsImmediateZero(instruction.operands[1]);
      });
    }
    for (size_t id = 0; id < is_zero.size(); ++id) {
      is_zero[id] = is_zero[id] && writes[id] == 1;
    }
    return is_zero;
  }

  static bool IsImmediateZero(const Operand& operand) {
    return operand.kind == OperandKind::kImmediate && operand.bits == 0;
  }

  // An atomic operation that may be done any number of times and changes memory at most once.
  bool AsksAgain(const ptx::Instruction& instruction) const {
    if (instruction.opcode != Opcode::kAtom || instruction.operands.size() < 3) {
      return false;
    }
    if (instruction.Has(Modifier::kAdd)) {
      const Operand& value = instruction.operands[2];
      return IsImmediateZero(value) || (value.kind == OperandKind::kRegister && is_zero_[value.id]);
    }
    return instruction.Has(Modifier::kOr) || instruction.Has(Modifier::kAnd) ||
           instruction.Has(Modifier::kMin) || instruction.Has(Modifier::kMax);
  }

  // Whether a branch out of the loop from `begin` to the branch at `end` goes by what such an
  // operation brought: what decides is followed back through the loop's text.
  bool IsLeftByAnswer(uint32_t begin, uint32_t end) {
    wanted_.clear();
    for (uint32_t i = begin; i <= end; ++i) {
      const ptx::Instruction& instruction = body_.instructions[i];
      const uint32_t target = TargetOf(instruction);
      const bool leaves = i == end || (target != ptx::kNoIndex && (target < begin || target > end));
      if (leaves && instruction.predicate != ptx::kNoIndex) {
        Want(instruction.predicate);
      }
    }
    bool found = false;
    for (size_t known = 0; !found && known != wanted_.size();) {
      known = wanted_.size();
      found = FollowBack(begin, end);
    }
    for (const uint32_t id : wanted_) {
      is_wanted_[id] = false;
    }
    return found;
  }

  // Once through the loop from its end; true if an answer was come upon, or there is no time left.
  bool FollowBack(uint32_t begin, uint32_t end) {
    for (uint32_t i = end; i > begin; --i) {
      const ptx::Instruction& instruction = body_.instructions[i - 1];
      if (steps_left_ == 0) {
        return true;
      }
      --steps_left_;
      if (!WritesWanted(instruction)) {
        continue;
      }
      if (AsksAgain(instruction)) {
        return true;
      }
      if (instruction.predicate != ptx::kNoIndex) {
        Want(instruction.predicate);
      }
      for (const Operand& source : instruction.operands.subspan(1)) {
        ForEachRegister(source, [this](uint32_t id) { Want(id); });
      }
    }
    return false;
  }

  bool WritesWanted(const ptx::Instruction& instruction) const {
    bool writes = false;
    if (WritesFirst(instruction)) {
      ForEachRegister(instruction.operands[0], [&](uint32_t id) { writes |= is_wanted_[id]; });
    }
    return writes;
  }

  void Want(uint32_t id) {
    if (!is_wanted_[id]) {
      is_wanted_[id] = true;
      wanted_.push_back(id);
    }
  }

  const ptx::Body& body_;
  const std::vector<bool> is_zero_;           // by register
  std::vector<uint32_t> looks_before_ = {0};  // by instruction
  std::vector<uint32_t> asks_before_ = {0};
  size_t steps_left_ = 0;
  std::vector<bool> is_wanted_;  // by register, while one loop is looked at
  std::vector<uint32_t> wanted_;
};

}  // namespace

std::vector<bool> FindSpins(const ptx::Body& body) {
  return SpinFinder(body).Run();
}

}  // namespace farlane::soft::jit
