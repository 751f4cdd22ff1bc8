// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/access_groups.h"

#include <algorithm>
#include <optional>

#include "soft-gpu/jit/memory_access.h"

namespace farlane::soft::jit {
namespace {

using ptx::Opcode;
using ptx::OperandKind;
using ptx::Space;

// A group's accesses lie within so many bytes: a limit may not be smaller than that by accident.
constexpr int64_t kSpanBytesMax = 16 * 1024;
constexpr uint32_t kAccessBytesMax = 32;

// After these a thread may be elsewhere, or not be at all, or others may have run.
bool EndsGroups(Opcode opcode) {
  switch (opcode) {
    case Opcode::kBra:
    case Opcode::kBrx:
    case Opcode::kCall:
    case Opcode::kRet:
    case Opcode::kExit:
    case Opcode::kTrap:
    case Opcode::kBrkpt:
    case Opcode::kBar:
    case Opcode::kBarrier:
    case Opcode::kShfl:
    case Opcode::kVote:
    case Opcode::kMatch:
    case Opcode::kRedux:
    case Opcode::kElect:
    case Opcode::kNanosleep:
    case Opcode::kActivemask:
    case Opcode::kMbarrier:
    case Opcode::kCp:
    case Opcode::kUnknown:
      return true;
    default:
      return false;
  }
}

uint32_t ElementsOf(const ptx::Instruction& instruction) {
  using ptx::Modifier;
  return instruction.Has(Modifier::kV2)   ? 2
         : instruction.Has(Modifier::kV4) ? 4
         : instruction.Has(Modifier::kV8) ? 8
                                          : 1;
}

// An access at a distance from a register.
struct Access {
  Space space;
  ptx::RegisterId base;
  uint32_t bytes;
  int64_t offset;
};

std::optional<Access> AccessOf(const ptx::Instruction& instruction) {
  const bool is_load = instruction.opcode == Opcode::kLd;
  if ((!is_load && instruction.opcode != Opcode::kSt) || instruction.predicate != ptx::kNoIndex ||
      instruction.operands.size() < 2) {
    return std::nullopt;
  }
  const ptx::Operand& address = instruction.operands[is_load ? 1 : 0];
  const uint32_t bytes = ptx::BytesOf(instruction.type()) * ElementsOf(instruction);
  const Space space = SpaceOf(instruction);
  if (address.kind != OperandKind::kAddress || address.ref != ptx::Ref::kRegister ||
      !address.children.empty() || space == Space::kParam || bytes == 0 ||
      bytes > kAccessBytesMax || (bytes & (bytes - 1)) != 0 ||
      std::abs(address.offset) > kSpanBytesMax) {
    return std::nullopt;
  }
  return Access{space, address.id, bytes, address.offset};
}

bool Names(const ptx::Operand& operand, ptx::RegisterId id) {
  return (operand.ref == ptx::Ref::kRegister && operand.id == id) ||
         std::any_of(operand.children.begin(), operand.children.end(),
                     [id](const ptx::Operand& child) { return Names(child, id); });
}

// Whether the instruction may write the register: what it writes comes first, except for a store.
bool MayWrite(const ptx::Instruction& instruction, ptx::RegisterId id) {
  return instruction.opcode != Opcode::kSt && !instruction.operands.empty() &&
         Names(instruction.operands[0], id);
}

// Thread: caller's.
class Finder {
 public:
  explicit Finder(const ptx::Body& body) : body_(body) {
    found_.group_of.assign(body.instructions.size(), kNoGroup);
  }

  AccessGroups Run() {
    std::vector<bool> is_target(body_.instructions.size() + 1, false);
    for (const ptx::Label& label : body_.labels) {
      is_target[label.instruction] = true;
    }
    for (uint32_t i = 0; i < body_.instructions.size(); ++i) {
      const ptx::Instruction& instruction = body_.instructions[i];
      if (is_target[i] || EndsGroups(instruction.opcode)) {
        open_.clear();
      }
      if (const auto access = AccessOf(instruction)) {
        Add(*access, i);
      }
      std::erase_if(
          open_, [&](uint32_t group) { return MayWrite(instruction, found_.groups[group].base); });
    }
    ForgetSingles();
    return std::move(found_);
  }

 private:
  void Add(const Access& access, uint32_t instruction) {
    for (const uint32_t index : open_) {
      AccessGroup& group = found_.groups[index];
      const int64_t first = std::min(group.first_offset, access.offset);
      const int64_t last = std::max(group.last_offset, access.offset);
      if (group.space == access.space && group.base == access.base && group.bytes == access.bytes &&
          last - first < kSpanBytesMax &&
          (access.offset - group.first_offset) % access.bytes == 0) {
        group.first_offset = first;
        group.last_offset = last;
        group.members.push_back(instruction);
        found_.group_of[instruction] = index;
        return;
      }
    }
    const auto index = static_cast<uint32_t>(found_.groups.size());
    found_.groups.push_back(
        {access.space, access.base, access.bytes, access.offset, access.offset, {instruction}});
    found_.group_of[instruction] = index;
    open_.push_back(index);
  }

  void ForgetSingles() {
    for (uint32_t& group : found_.group_of) {
      if (group != kNoGroup && found_.groups[group].members.size() < 2) {
        group = kNoGroup;
      }
    }
  }

  const ptx::Body& body_;
  AccessGroups found_;
  std::vector<uint32_t> open_;
};

}  // namespace

AccessGroups FindAccessGroups(const ptx::Body& body) {
  return Finder(body).Run();
}

}  // namespace farlane::soft::jit
