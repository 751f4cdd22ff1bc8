// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/kernel_source.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "soft-gpu/jit/lockstep.h"
#include "soft-gpu/jit/spin.h"
#include "soft-gpu/ptx/parser.h"
#include "soft-gpu/ptx/variable_layout.h"

namespace farlane::soft::jit {
namespace {

// Whether a thread may have to let others run there.
bool MayWait(const ptx::Instruction& instruction) {
  using ptx::Opcode;
  return IsMeeting(instruction) || instruction.opcode == Opcode::kNanosleep ||
         instruction.opcode == Opcode::kActivemask ||
         (instruction.opcode == Opcode::kMbarrier && instruction.Has(ptx::Modifier::kTryWait));
}

// Half of the address of the memory in which the blocks of a cooperative grid meet.
bool IsGridWorkspace(ptx::SpecialRegister name) {
  return name == kGridWorkspaceHigh || name == kGridWorkspaceLow;
}

// The device's own malloc and free: a module may define functions of these names.
bool IsHeapFunction(const ptx::Function& function) {
  return !function.has_body && (function.name == "malloc" || function.name == "free");
}

// Reads the bodies of the call graph, the entry first.
// Thread: caller's.
class Collector {
 public:
  Collector(KernelSource& source, const ptx::KernelLayouts& layouts)
      : source_(source), module_(*source.module), layouts_(layouts) {}

  Status Run() {
    for (size_t i = 0; i < source_.layout.functions.size(); ++i) {
      FARLANE_TRY(Add(source_.layout.functions[i], source_.layout.own_shared_offsets[i]));
    }
    source_.suspends |= HasTurns(source_);
    return Status::Ok();
  }

 private:
  Status Add(uint32_t index, uint64_t shared_offset) {
    const ptx::Function& function = module_.functions[index];
    SourceFunction added;
    added.index = index;
    FARLANE_ASSIGN(added.body, ptx::ParseBody(module_, function));
    Place(shared_offset, added);
    added.is_spin = FindSpins(added.body);
    source_.suspends |=
        std::find(added.is_spin.begin(), added.is_spin.end(), true) != added.is_spin.end();
    NoteCalls(added);
    for (const ptx::Instruction& instruction : added.body.instructions) {
      source_.suspends |= MayWait(instruction);
      // An exit inside a called function has to leave its callers too: only a fiber can.
      source_.suspends |= instruction.opcode == ptx::Opcode::kExit && !function.is_entry;
      for (const ptx::Operand& operand : instruction.operands) {
        Note(operand);
      }
    }
    source_.functions.push_back(std::move(added));
    return Status::Ok();
  }

  void Place(uint64_t shared_offset, SourceFunction& added) const {
    ptx::OwnLayout own = ptx::LayoutOf(added.body);
    for (size_t i = 0; i < own.offsets.size(); ++i) {
      own.offsets[i] += added.body.variables[i].space == ptx::Space::kShared ? shared_offset : 0;
    }
    added.variable_offsets = std::move(own.offsets);
    added.local_bytes = own.local_bytes;
    added.uses_alloca = layouts_.survey().functions[added.index].uses_alloca;
  }

  void NoteCalls(SourceFunction& user) {
    for (uint32_t i = 0; i < user.body.instructions.size(); ++i) {
      const ptx::Instruction& instruction = user.body.instructions[i];
      if (ptx::IsCallThroughPointer(instruction)) {
        user.targets.emplace(i, TargetsOf(user.body, instruction));
      } else if (instruction.opcode == ptx::Opcode::kCall && instruction.operands.size() == 4 &&
                 instruction.operands[1].ref == ptx::Ref::kFunction) {
        const uint32_t callee = module_.DefinitionOf(instruction.operands[1].id);
        source_.uses_heap |= IsHeapFunction(module_.functions[callee]);
      }
    }
  }

  // Functions with a body that take and give what the call does; those it lists, if it lists any.
  std::vector<uint32_t> TargetsOf(const ptx::Body& body, const ptx::Instruction& call) const {
    const ptx::CallShape shape = ShapeOfCall(module_, body, call);
    if (shape.results == nullptr) {
      return {};
    }
    const ptx::PointerShape sizes = SizesOf(shape);
    const ptx::Operand& last = call.operands[3];
    if (last.kind == ptx::OperandKind::kCallTable) {
      return FunctionsOf(sizes, module_, body.call_tables[last.id].functions);
    }
    const std::span<const uint32_t> targets = layouts_.targets().Of(sizes);
    return {targets.begin(), targets.end()};
  }

  void Note(const ptx::Operand& operand) {
    if (operand.ref == ptx::Ref::kGlobalVariable) {
      if (module_.variables[operand.id].space != ptx::Space::kShared) {
        source_.global_variables.insert(operand.id);
      }
    } else if (operand.kind == ptx::OperandKind::kSpecial) {
      const auto name = static_cast<ptx::SpecialRegister>(operand.id);
      source_.uses_grid_workspace |= IsGridWorkspace(name);
    }
    for (const ptx::Operand& child : operand.children) {
      Note(child);
    }
  }

  KernelSource& source_;
  const ptx::Module& module_;
  const ptx::KernelLayouts& layouts_;
};

}  // namespace

Result<KernelSource> CollectKernel(const ptx::Module& module,
                                   const ptx::KernelLayouts& layouts,
                                   uint32_t entry) {
  KernelSource source;
  source.module = &module;
  source.entry = entry;
  FARLANE_ASSIGN(source.layout, layouts.Of(entry));
  const ptx::Function& function = module.functions[entry];
  source.parameter_offsets = LayoutParameters(function);
  source.parameter_bytes = source.parameter_offsets.back();
  source.parameter_offsets.pop_back();
  FARLANE_TRY(
      Collector(source, layouts).Run().While("reading kernel " + std::string(function.name)));
  return source;
}

std::vector<uint64_t> LayoutParameters(const ptx::Function& function) {
  std::vector<uint64_t> offsets;
  ptx::VariableLayout layout;
  for (const ptx::Variable& parameter : function.parameters) {
    offsets.push_back(layout.Place(parameter));
  }
  offsets.push_back(layout.bytes());
  return offsets;
}

uint32_t LineOf(const ptx::Module& module, const ptx::Instruction& instruction) {
  return module.PositionAt(module.OffsetOf(instruction.text)).line;
}

}  // namespace farlane::soft::jit
