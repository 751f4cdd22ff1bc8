// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/coverage.h"

#include <algorithm>
#include <map>
#include <set>

#include <fnmatch.h>

#include "protocol/base/bytes.h"
#include "soft-gpu/ptx/call_graph.h"
#include "soft-gpu/ptx/call_shape.h"
#include "soft-gpu/ptx/parser.h"
#include "soft-gpu/ptx/register_estimate.h"
#include "soft-gpu/ptx/survey.h"

namespace farlane::soft::ptx {
namespace {

// The code generator is not asked, because what reports this links no compiler. Tests hold the two
// lists to it: tests/unit/soft-gpu/jit/compiled_opcodes_test.cc,
// tests/unit/soft-gpu/ptx/coverage_test.cc.
constexpr Opcode kNotCompiled[] = {
    Opcode::kClusterlaunchcontrol,
    Opcode::kIstypep,
    Opcode::kLdmatrix,
    Opcode::kMma,
    Opcode::kMovmatrix,
    Opcode::kMultimem,
    Opcode::kSetmaxnreg,
    Opcode::kStmatrix,
    Opcode::kTcgen05,
    Opcode::kTensormap,
    Opcode::kWgmma,
    Opcode::kWmma,
};

constexpr const char* kRefusedSpellings[] = {
    "fma.*.oob.*",
    "cvt.rs.*",
    "st.async*",
    "red.async*",
    "prefetch.*tensormap*",
    "cp.async.bulk.tensor*",
    "cp.async.bulk.*multicast*",
    "cp.reduce.*",
    "tex.*2dms.*",
    "txq.*channel*",
    "suq.*channel*",
    "sust.p.*",
    "sured.p.*",
};

bool IsRefused(const Instruction& instruction) {
  const std::string text(instruction.text);
  return std::any_of(std::begin(kRefusedSpellings), std::end(kRefusedSpellings),
                     [&](const char* pattern) { return fnmatch(pattern, text.c_str(), 0) == 0; });
}

// The word before the first dot.
std::string OpcodeWord(const Instruction& instruction) {
  return std::string(instruction.text.substr(0, instruction.text.find('.')));
}

// What one function does by itself.
struct FunctionUse {
  uint64_t instructions_count = 0;
  uint64_t lacking_count = 0;
  uint64_t body_shared_bytes = 0;
  bool has_dynamic_shared = false;
  std::set<uint32_t> module_shared = {};  // Module::variables
};

void NoteShared(const Module& module, const Operand& operand, FunctionUse* use) {
  if (operand.ref == Ref::kGlobalVariable && operand.id < module.variables.size() &&
      module.variables[operand.id].space == Space::kShared) {
    use->module_shared.insert(operand.id);
  }
  for (const Operand& child : operand.children) {
    NoteShared(module, child, use);
  }
}

// Gathers the uses of all bodies. Thread: caller's.
class Gatherer {
 public:
  explicit Gatherer(const Module& module) : module_(module), uses_(module.functions.size()) {}

  Status ReadBody(uint32_t index) {
    const Function& function = module_.functions[index];
    FARLANE_ASSIGN(const Body body, ParseBody(module_, function));
    FunctionUse& use = uses_[index];
    for (const Variable& variable : body.variables) {
      if (variable.space == Space::kShared) {
        use.body_shared_bytes += variable.SizeOf();
        use.has_dynamic_shared |= variable.is_unsized;
      }
    }
    for (const Instruction& instruction : body.instructions) {
      ++use.instructions_count;
      for (const Operand& operand : instruction.operands) {
        NoteShared(module_, operand, &use);
      }
      Count(function, instruction, &use);
    }
    return Status::Ok();
  }

  const std::vector<FunctionUse>& uses() const { return uses_; }

  void MoveTo(Coverage* coverage) {
    for (auto& [name, use] : opcodes_) {
      coverage->instructions_count += use.count;
      coverage->stage = std::max(coverage->stage, use.stage);
      coverage->opcodes.push_back(std::move(use));
    }
    for (auto& [text, use] : lacking_) {
      coverage->lacking.push_back(std::move(use));
    }
    const auto more = [](const auto& a, const auto& b) { return a.count > b.count; };
    std::stable_sort(coverage->opcodes.begin(), coverage->opcodes.end(), more);
    std::stable_sort(coverage->lacking.begin(), coverage->lacking.end(), more);
  }

 private:
  void Count(const Function& function, const Instruction& instruction, FunctionUse* use) {
    const Form* form = FindFormOrNull(instruction);
    // What no form fits is of a later PTX than the table; no stage is known for it.
    const Stage stage = form == nullptr ? Stage::kNever : form->stage;
    const bool lacks = form == nullptr || !IsCompiled(instruction.opcode) || IsRefused(instruction);
    OpcodeUse& opcode = opcodes_[OpcodeWord(instruction)];
    opcode.name = OpcodeWord(instruction);
    opcode.stage = std::max(opcode.stage, stage);
    ++opcode.count;
    if (!lacks) {
      return;
    }
    ++opcode.lacking_count;
    ++use->lacking_count;
    LackingUse& lacking = lacking_[std::string(instruction.text)];
    if (lacking.count++ == 0) {
      lacking.text = std::string(instruction.text);
      lacking.stage = stage;
      lacking.function = std::string(function.name);
      lacking.line = module_.PositionAt(module_.OffsetOf(instruction.text)).line;
    }
  }

  const Module& module_;
  std::vector<FunctionUse> uses_;
  std::map<std::string, OpcodeUse> opcodes_;
  std::map<std::string, LackingUse> lacking_;
};

// Functions whose address a variable holds or a body takes: a call through a pointer may reach
// them.
Result<std::vector<uint32_t>> TakenFunctions(const Module& module, const Survey& survey) {
  std::set<uint32_t> taken(survey.taken.begin(), survey.taken.end());
  for (const Variable& variable : module.variables) {
    FARLANE_ASSIGN(const InitialValue value, ParseInitializer(module, variable));
    for (const Relocation& relocation : value.relocations) {
      if (relocation.symbol.kind == SymbolKind::kFunction) {
        taken.insert(relocation.symbol.index);
      }
    }
  }
  return std::vector<uint32_t>(taken.begin(), taken.end());
}

// The function and all that it calls by name.
std::set<uint32_t> ReachedFrom(const Module& module, const Survey& survey, uint32_t function) {
  std::set<uint32_t> reached;
  std::vector<uint32_t> left = {function};
  while (!left.empty()) {
    const uint32_t index = module.DefinitionOf(left.back());
    left.pop_back();
    if (reached.insert(index).second) {
      const std::vector<uint32_t>& callees = survey.functions[index].callees;
      left.insert(left.end(), callees.begin(), callees.end());
    }
  }
  return reached;
}

KernelUse DescribeKernel(const Module& module,
                         const Survey& survey,
                         const std::vector<FunctionUse>& uses,
                         uint32_t index) {
  const Function& function = module.functions[index];
  KernelUse kernel;
  kernel.name = std::string(function.name);
  kernel.parameters_count = function.parameters.size();
  for (const Variable& parameter : function.parameters) {
    kernel.parameter_bytes =
        RoundUp(kernel.parameter_bytes, std::max(parameter.AlignOf(), 1u)) + parameter.SizeOf();
  }
  std::set<uint32_t> shared;
  for (const uint32_t reached : ReachedFrom(module, survey, index)) {
    const FunctionUse& use = uses[reached];
    kernel.instructions_count += use.instructions_count;
    kernel.lacking_count += use.lacking_count;
    kernel.shared_bytes += use.body_shared_bytes;
    kernel.has_dynamic_shared |= use.has_dynamic_shared;
    shared.insert(use.module_shared.begin(), use.module_shared.end());
  }
  for (const uint32_t variable : shared) {
    kernel.shared_bytes += module.variables[variable].SizeOf();
    kernel.has_dynamic_shared |= module.variables[variable].is_unsized;
  }
  return kernel;
}

}  // namespace

bool IsCompiled(Opcode opcode) {
  return opcode != Opcode::kUnknown && std::find(std::begin(kNotCompiled), std::end(kNotCompiled),
                                                 opcode) == std::end(kNotCompiled);
}

std::span<const char* const> RefusedSpellings() {
  return kRefusedSpellings;
}

Result<Coverage> CoverModule(const Module& module) {
  FARLANE_ASSIGN(const Survey survey, SurveyModule(module));
  FARLANE_ASSIGN(const std::vector<uint32_t> taken, TakenFunctions(module, survey));
  Gatherer gatherer(module);
  const CallGraph graph(module, survey, PointerTargets(module, taken));
  const RegisterEstimate registers(module, survey, graph);
  for (uint32_t i = 0; i < module.functions.size(); ++i) {
    if (module.functions[i].has_body) {
      FARLANE_TRY(gatherer.ReadBody(i));
    }
  }
  Coverage coverage;
  for (uint32_t i = 0; i < module.functions.size(); ++i) {
    if (module.functions[i].is_entry && module.functions[i].has_body) {
      coverage.kernels.push_back(DescribeKernel(module, survey, gatherer.uses(), i));
      coverage.kernels.back().registers = registers.Of(i).registers;
    }
  }
  gatherer.MoveTo(&coverage);
  return coverage;
}

}  // namespace farlane::soft::ptx
