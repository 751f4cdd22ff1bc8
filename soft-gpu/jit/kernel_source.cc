// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/kernel_source.h"

#include <algorithm>
#include <string>

#include "protocol/base/bytes.h"
#include "soft-gpu/ptx/parser.h"

namespace farlane::soft::jit {
namespace {

constexpr uint64_t kSharedBytesMax = 227_KiB;      // what a block may have at compute capability 9
constexpr uint64_t kLocalBytesMax = 512_KiB;       // per thread, as the programming guide says
constexpr uint64_t kRecursionLocalBytes = 64_KiB;  // a cycle of calls gets a stack of this size
constexpr uint64_t kDynamicSharedAlignBytesMin = 16;
constexpr size_t kFunctionsMax = 4096;  // a chain of calls is followed by recursion

// Gives each variable of one space the next offset that suits its alignment.
struct Layout {
  uint64_t bytes = 0;

  uint64_t Place(const ptx::Variable& variable) {
    bytes = RoundUp(bytes, std::max<uint32_t>(variable.AlignOf(), 1));
    const uint64_t offset = bytes;
    bytes += variable.SizeOf();
    return offset;
  }
};

bool MayWait(const ptx::Instruction& instruction) {
  using ptx::Opcode;
  switch (instruction.opcode) {
    case Opcode::kBar:
    case Opcode::kBarrier:
    case Opcode::kShfl:
    case Opcode::kVote:
    case Opcode::kMatch:
    case Opcode::kRedux:
    case Opcode::kElect:
    case Opcode::kNanosleep:
      return true;
    default:
      return false;
  }
}

// Reads what another thread may be about to write: a loop around it may be waiting for that.
bool LooksAtOthers(const ptx::Instruction& instruction) {
  using ptx::Modifier;
  using ptx::Opcode;
  if (instruction.opcode == Opcode::kAtom) {
    return instruction.Has(Modifier::kCas) || instruction.Has(Modifier::kExch);
  }
  return instruction.opcode == Opcode::kLd &&
         (instruction.Has(Modifier::kVolatile) || instruction.Has(Modifier::kRelaxed) ||
          instruction.Has(Modifier::kAcquire));
}

// Branches back over such an instruction. Threads of a block are not preempted, so each must let
// the others run there.
std::vector<bool> FindSpins(const ptx::Body& body) {
  std::vector<bool> is_spin(body.instructions.size(), false);
  std::vector<uint32_t> looks_before(1, 0);
  for (const ptx::Instruction& instruction : body.instructions) {
    looks_before.push_back(looks_before.back() + (LooksAtOthers(instruction) ? 1 : 0));
  }
  for (size_t i = 0; i < body.instructions.size(); ++i) {
    const ptx::Instruction& instruction = body.instructions[i];
    if (instruction.opcode == ptx::Opcode::kBra && !instruction.operands.empty() &&
        instruction.operands[0].kind == ptx::OperandKind::kLabel) {
      const uint32_t target = body.labels[instruction.operands[0].id].instruction;
      is_spin[i] = target <= i && looks_before[i] != looks_before[target];
    }
  }
  return is_spin;
}

// Half of the address of the memory in which the blocks of a cooperative grid meet.
bool IsGridWorkspace(ptx::SpecialRegister name) {
  return name == kGridWorkspaceHigh || name == kGridWorkspaceLow;
}

// Collects the call graph, the entry first.
// Thread: caller's.
class Collector {
 public:
  explicit Collector(KernelSource& source) : source_(source), module_(*source.module) {}

  Status Run() {
    FARLANE_TRY(Add(source_.entry));
    // Functions found while one is added are appended, so this loop ends with the call graph.
    for (size_t i = 0; i < source_.functions.size(); ++i) {
      const std::vector<uint32_t> callees = source_.functions[i].callees;
      for (const uint32_t callee : callees) {
        if (!IsKnown(callee) && module_.functions[callee].has_body) {
          FARLANE_TRY(Add(callee));
        }
      }
    }
    PlaceDynamicShared();
    return MeasureLocal();
  }

 private:
  bool IsKnown(uint32_t function) const { return known_.count(function) != 0; }

  Status Add(uint32_t index) {
    if (source_.functions.size() >= kFunctionsMax) {
      return {StatusCode::kExhausted, "the kernel can reach more than 4096 functions"};
    }
    const ptx::Function& function = module_.functions[index];
    SourceFunction added;
    added.index = index;
    FARLANE_ASSIGN(added.body, ptx::ParseBody(module_, function));
    Layout local;
    for (const ptx::Variable& variable : added.body.variables) {
      uint64_t offset = 0;
      if (variable.space == ptx::Space::kLocal) {
        offset = local.Place(variable);
      } else if (variable.space == ptx::Space::kShared && !variable.is_unsized) {
        offset = shared_.Place(variable);
      }
      added.variable_offsets.push_back(offset);
    }
    added.local_bytes = RoundUp(local.bytes, 16);
    added.is_spin = FindSpins(added.body);
    source_.suspends |=
        std::find(added.is_spin.begin(), added.is_spin.end(), true) != added.is_spin.end();
    for (const ptx::Instruction& instruction : added.body.instructions) {
      source_.suspends |= MayWait(instruction);
      // An exit inside a called function has to leave its callers too: only a fiber can.
      source_.suspends |= instruction.opcode == ptx::Opcode::kExit && !function.is_entry;
      for (const ptx::Operand& operand : instruction.operands) {
        Note(operand, added);
      }
    }
    known_[index] = source_.functions.size();
    source_.functions.push_back(std::move(added));
    return Status::Ok();
  }

  void Note(const ptx::Operand& operand, SourceFunction& user) {
    if (operand.ref == ptx::Ref::kFunction) {
      user.callees.push_back(operand.id);
    } else if (operand.ref == ptx::Ref::kGlobalVariable) {
      NoteVariable(operand.id);
    } else if (operand.kind == ptx::OperandKind::kSpecial) {
      const auto name = static_cast<ptx::SpecialRegister>(operand.id);
      source_.uses_grid_workspace |= IsGridWorkspace(name);
    }
    for (const ptx::Operand& child : operand.children) {
      Note(child, user);
    }
  }

  void NoteVariable(uint32_t index) {
    const ptx::Variable& variable = module_.variables[index];
    if (variable.space != ptx::Space::kShared) {
      source_.global_variables.insert(index);
      return;
    }
    if (source_.shared_offsets.count(index) != 0) {
      return;
    }
    if (variable.is_unsized || variable.SizeOf() == 0) {
      dynamic_align_ = std::max<uint64_t>(dynamic_align_, variable.AlignOf());
      source_.shared_offsets[index] = 0;
      dynamic_.push_back(index);
    } else {
      source_.shared_offsets[index] = shared_.Place(variable);
    }
  }

  // All unsized shared arrays are one memory, behind the sized ones.
  void PlaceDynamicShared() {
    if (!dynamic_.empty()) {
      shared_.bytes = RoundUp(shared_.bytes, dynamic_align_);
    }
    for (const uint32_t index : dynamic_) {
      source_.shared_offsets[index] = shared_.bytes;
    }
    source_.static_shared_bytes = shared_.bytes;
  }

  Status MeasureLocal() {
    if (source_.static_shared_bytes > kSharedBytesMax) {
      return {StatusCode::kExhausted,
              "kernel " + std::string(module_.functions[source_.entry].name) + " declares " +
                  std::to_string(source_.static_shared_bytes) + " bytes of shared memory"};
    }
    std::vector<uint32_t> chain;
    source_.local_bytes = DeepestFrom(source_.entry, chain);
    if (source_.local_bytes > kLocalBytesMax) {
      return {StatusCode::kExhausted,
              "kernel " + std::string(module_.functions[source_.entry].name) + " needs " +
                  std::to_string(source_.local_bytes) + " bytes of local memory per thread"};
    }
    return Status::Ok();
  }

  uint64_t DeepestFrom(uint32_t function, std::vector<uint32_t>& chain) {
    const auto found = known_.find(function);
    if (found == known_.end()) {
      return 0;  // a function of the runtime
    }
    if (std::find(chain.begin(), chain.end(), function) != chain.end()) {
      return kRecursionLocalBytes;
    }
    if (const auto known = deepest_.find(function); known != deepest_.end()) {
      return known->second;
    }
    chain.push_back(function);
    uint64_t deepest = 0;
    const SourceFunction& caller = source_.functions[found->second];
    for (const uint32_t callee : caller.callees) {
      deepest = std::max(deepest, DeepestFrom(callee, chain));
    }
    chain.pop_back();
    return deepest_[function] = caller.local_bytes + deepest;
  }

  KernelSource& source_;
  const ptx::Module& module_;
  Layout shared_;
  uint64_t dynamic_align_ = kDynamicSharedAlignBytesMin;
  std::vector<uint32_t> dynamic_;
  std::unordered_map<uint32_t, size_t> known_;  // index of a function -> its place in the source
  std::unordered_map<uint32_t, uint64_t> deepest_;
};

}  // namespace

Result<KernelSource> CollectKernel(const ptx::Module& module, uint32_t entry) {
  KernelSource source;
  source.module = &module;
  source.entry = entry;
  const ptx::Function& function = module.functions[entry];
  source.parameter_offsets = LayoutParameters(function);
  source.parameter_bytes = source.parameter_offsets.back();
  source.parameter_offsets.pop_back();
  Collector collector(source);
  FARLANE_TRY(collector.Run().While("reading kernel " + std::string(function.name)));
  return source;
}

std::vector<uint64_t> LayoutParameters(const ptx::Function& function) {
  std::vector<uint64_t> offsets;
  Layout layout;
  for (const ptx::Variable& parameter : function.parameters) {
    offsets.push_back(layout.Place(parameter));
  }
  offsets.push_back(layout.bytes);
  return offsets;
}

uint32_t LineOf(const ptx::Module& module, const ptx::Instruction& instruction) {
  return module.PositionAt(module.OffsetOf(instruction.text)).line;
}

}  // namespace farlane::soft::jit
