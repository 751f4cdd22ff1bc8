// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/kernel_source.h"

#include <algorithm>
#include <string>

#include "protocol/base/bytes.h"
#include "soft-gpu/jit/lockstep.h"
#include "soft-gpu/ptx/parser.h"

namespace farlane::soft::jit {
namespace {

constexpr uint64_t kSharedBytesMax = 227_KiB;  // what a block may have at compute capability 9
constexpr uint64_t kLocalBytesMax = 512_KiB;   // per thread, as the programming guide says
constexpr uint64_t kStackBytes = 64_KiB;       // for a cycle of calls, and for what alloca takes
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

// Whether a thread may have to let others run there.
bool MayWait(const ptx::Instruction& instruction) {
  using ptx::Opcode;
  return IsMeeting(instruction) || instruction.opcode == Opcode::kNanosleep ||
         instruction.opcode == Opcode::kActivemask ||
         (instruction.opcode == Opcode::kMbarrier && instruction.Has(ptx::Modifier::kTryWait));
}

// Reads what another thread may be about to write: a loop around it may be waiting for that.
bool LooksAtOthers(const ptx::Instruction& instruction) {
  using ptx::Modifier;
  using ptx::Opcode;
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

bool IsReservedShared(ptx::SpecialRegister name) {
  using ptx::SpecialRegister;
  return name == SpecialRegister::kReservedSmemOffsetBegin ||
         name == SpecialRegister::kReservedSmemOffsetEnd ||
         name == SpecialRegister::kReservedSmemOffsetCap ||
         name == SpecialRegister::kReservedSmemOffset0 ||
         name == SpecialRegister::kReservedSmemOffset1;
}

// The device's own malloc and free: a module may define functions of these names.
bool IsHeapFunction(const ptx::Function& function) {
  return !function.has_body && (function.name == "malloc" || function.name == "free");
}

bool IsCallThroughPointer(const ptx::Instruction& instruction) {
  return instruction.opcode == ptx::Opcode::kCall && instruction.operands.size() == 4 &&
         instruction.operands[1].ref == ptx::Ref::kRegister;
}

bool SameSizes(const std::vector<ptx::Variable>& some, const std::vector<ptx::Variable>& others) {
  return std::equal(
      some.begin(), some.end(), others.begin(), others.end(),
      [](const ptx::Variable& a, const ptx::Variable& b) { return a.SizeOf() == b.SizeOf(); });
}

// Collects the call graph, the entry first.
// Thread: caller's.
class Collector {
 public:
  Collector(KernelSource& source, std::span<const uint32_t> taken)
      : source_(source), module_(*source.module), taken_(taken) {}

  Status Run() {
    FARLANE_TRY(Add(source_.entry));
    // Functions found while one is added are appended, so this loop ends with the call graph.
    for (size_t i = 0; i < source_.functions.size(); ++i) {
      const std::vector<uint32_t> callees = source_.functions[i].callees;
      for (const uint32_t callee : callees) {
        const uint32_t definition = module_.DefinitionOf(callee);
        if (!IsKnown(definition) && module_.functions[definition].has_body) {
          FARLANE_TRY(Add(definition));
        }
      }
    }
    source_.suspends |= HasTurns(source_);
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
    NoteCalls(added);
    for (const ptx::Instruction& instruction : added.body.instructions) {
      source_.suspends |= MayWait(instruction);
      added.uses_alloca |= instruction.opcode == ptx::Opcode::kAlloca;
      // An exit inside a called function has to leave its callers too: only a fiber can.
      source_.suspends |= instruction.opcode == ptx::Opcode::kExit && !function.is_entry;
      for (const ptx::Operand& operand : instruction.operands) {
        Note(operand);
      }
    }
    known_[index] = source_.functions.size();
    source_.functions.push_back(std::move(added));
    return Status::Ok();
  }

  void NoteCalls(SourceFunction& user) {
    for (uint32_t i = 0; i < user.body.instructions.size(); ++i) {
      const ptx::Instruction& instruction = user.body.instructions[i];
      if (IsCallThroughPointer(instruction)) {
        std::vector<uint32_t> targets = TargetsOf(user.body, instruction);
        user.callees.insert(user.callees.end(), targets.begin(), targets.end());
        user.targets.emplace(i, std::move(targets));
      } else if (instruction.opcode == ptx::Opcode::kCall && instruction.operands.size() == 4 &&
                 instruction.operands[1].ref == ptx::Ref::kFunction) {
        const uint32_t callee = module_.DefinitionOf(instruction.operands[1].id);
        user.callees.push_back(callee);
        source_.uses_heap |= IsHeapFunction(module_.functions[callee]);
      }
    }
  }

  // Functions with a body that take and give what the call does; those it lists, if it lists any.
  std::vector<uint32_t> TargetsOf(const ptx::Body& body, const ptx::Instruction& call) const {
    const CallShape shape = ShapeOfCall(module_, body, call);
    std::vector<uint32_t> targets;
    const ptx::Operand& last = call.operands[3];
    const std::span<const uint32_t> choices =
        last.kind == ptx::OperandKind::kCallTable
            ? std::span<const uint32_t>(body.call_tables[last.id].functions)
            : taken_;
    for (const uint32_t choice : choices) {
      const ptx::Function& function = module_.functions[module_.DefinitionOf(choice)];
      if (shape.results != nullptr && function.has_body && !function.is_entry &&
          SameSizes(*shape.results, function.return_parameters) &&
          SameSizes(*shape.parameters, function.parameters)) {
        targets.push_back(choice);
      }
    }
    return targets;
  }

  void Note(const ptx::Operand& operand) {
    if (operand.ref == ptx::Ref::kGlobalVariable) {
      NoteVariable(operand.id);
    } else if (operand.kind == ptx::OperandKind::kSpecial) {
      const auto name = static_cast<ptx::SpecialRegister>(operand.id);
      source_.uses_grid_workspace |= IsGridWorkspace(name);
      uses_reserved_shared_ |= IsReservedShared(name);
    }
    for (const ptx::Operand& child : operand.children) {
      Note(child);
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
    if (uses_reserved_shared_) {
      source_.reserved_shared_offset = RoundUp(shared_.bytes, 16);
      shared_.bytes = source_.reserved_shared_offset + kReservedSharedBytes;
    }
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
      return kStackBytes;
    }
    if (const auto known = deepest_.find(function); known != deepest_.end()) {
      return known->second;
    }
    chain.push_back(function);
    uint64_t deepest = 0;
    const SourceFunction& caller = source_.functions[found->second];
    for (const uint32_t callee : caller.callees) {
      deepest = std::max(deepest, DeepestFrom(module_.DefinitionOf(callee), chain));
    }
    chain.pop_back();
    const uint64_t own = caller.local_bytes + (caller.uses_alloca ? kStackBytes : 0);
    return deepest_[function] = own + deepest;
  }

  KernelSource& source_;
  const ptx::Module& module_;
  std::span<const uint32_t> taken_;
  Layout shared_;
  uint64_t dynamic_align_ = kDynamicSharedAlignBytesMin;
  bool uses_reserved_shared_ = false;
  std::vector<uint32_t> dynamic_;
  std::unordered_map<uint32_t, size_t> known_;  // index of a function -> its place in the source
  std::unordered_map<uint32_t, uint64_t> deepest_;
};

}  // namespace

CallShape ShapeOfCall(const ptx::Module& module,
                      const ptx::Body& body,
                      const ptx::Instruction& call) {
  const ptx::Operand& target = call.operands[1];
  const ptx::Operand& last = call.operands[3];
  uint32_t function = target.ref == ptx::Ref::kFunction ? target.id : ptx::kNoIndex;
  if (function == ptx::kNoIndex && last.kind == ptx::OperandKind::kPrototype) {
    const ptx::Prototype& prototype = body.prototypes[last.id].prototype;
    return {&prototype.return_parameters, &prototype.parameters};
  }
  if (function == ptx::kNoIndex && last.kind == ptx::OperandKind::kCallTable) {
    function = body.call_tables[last.id].functions.front();
  }
  if (function == ptx::kNoIndex) {
    return {};
  }
  return {&module.functions[function].return_parameters, &module.functions[function].parameters};
}

Result<KernelSource> CollectKernel(const ptx::Module& module,
                                   uint32_t entry,
                                   std::span<const uint32_t> taken) {
  KernelSource source;
  source.module = &module;
  source.entry = entry;
  const ptx::Function& function = module.functions[entry];
  source.parameter_offsets = LayoutParameters(function);
  source.parameter_bytes = source.parameter_offsets.back();
  source.parameter_offsets.pop_back();
  Collector collector(source, taken);
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
