// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/survey.h"

#include <algorithm>
#include <map>

#include "soft-gpu/ptx/optable.h"
#include "soft-gpu/ptx/parser.h"
#include "soft-gpu/ptx/variable_layout.h"

namespace farlane::soft::ptx {

namespace {

// Loops inside each other that an estimate looks at; a text may nest them as deep as it is long.
constexpr int kLoopDepthMax = 32;

constexpr uint64_t kLocalAlignBytes = 16;  // of each call's local memory

bool IsReservedShared(SpecialRegister name) {
  return name == SpecialRegister::kReservedSmemOffsetBegin ||
         name == SpecialRegister::kReservedSmemOffsetEnd ||
         name == SpecialRegister::kReservedSmemOffsetCap ||
         name == SpecialRegister::kReservedSmemOffset0 ||
         name == SpecialRegister::kReservedSmemOffset1;
}

void SortOnce(std::vector<uint32_t>* values) {
  std::sort(values->begin(), values->end());
  values->erase(std::unique(values->begin(), values->end()), values->end());
}

// Surveys body after body.
// Thread: caller's.
class Surveyor {
 public:
  Surveyor(const Module& module, Survey* survey) : module_(module), survey_(*survey) {}

  Status Read(const Function& function, FunctionSurvey* found) {
    FARLANE_ASSIGN(const Body body, ParseBody(module_, function));
    for (const Instruction& instruction : body.instructions) {
      if (Status checked = CheckInstruction(module_, body, instruction);
          checked.code() == StatusCode::kInvalidArgument) {
        return checked;
      }
      if (instruction.opcode == Opcode::kCall) {
        NoteCall(body, instruction, found);
      }
      found->uses_alloca |= instruction.opcode == Opcode::kAlloca;
      for (size_t i = 0; i < instruction.operands.size(); ++i) {
        const bool is_called = instruction.opcode == Opcode::kCall && i == 1;
        Note(instruction.operands[i], is_called ? &found->callees : &survey_.taken, found);
      }
    }
    SortOnce(&found->callees);
    SortOnce(&found->shapes);
    SortOnce(&found->shared_variables);
    const OwnLayout own = LayoutOf(body);
    found->own_shared_bytes = own.shared_bytes;
    found->own_shared_align_bytes = own.shared_align_bytes;
    found->local_bytes = own.local_bytes;
    found->registers_live_max = LiveRegistersMax(body);
    return Status::Ok();
  }

 private:
  void NoteCall(const Body& body, const Instruction& call, FunctionSurvey* found) {
    if (!IsCallThroughPointer(call)) {
      return;
    }
    const CallShape shape = ShapeOfCall(module_, body, call);
    if (shape.results == nullptr) {
      return;  // a call that says nothing of its target reaches none
    }
    const PointerShape sizes = SizesOf(shape);
    if (const Operand& last = call.operands[3]; last.kind == OperandKind::kCallTable) {
      const std::vector<uint32_t> targets =
          FunctionsOf(sizes, module_, body.call_tables[last.id].functions);
      found->callees.insert(found->callees.end(), targets.begin(), targets.end());
      return;
    }
    const auto next = static_cast<uint32_t>(survey_.shapes.size());
    const auto [place, is_new] = shapes_.try_emplace(sizes, next);
    if (is_new) {
      survey_.shapes.push_back(sizes);
    }
    found->shapes.push_back(place->second);
  }

  // What an operand names, its parts included.
  void Note(const Operand& operand, std::vector<uint32_t>* functions, FunctionSurvey* found) {
    if (operand.ref == Ref::kFunction) {
      functions->push_back(operand.id);
    } else if (operand.ref == Ref::kGlobalVariable) {
      if (module_.variables[operand.id].space == Space::kShared) {
        found->shared_variables.push_back(operand.id);
      }
    } else if (operand.kind == OperandKind::kSpecial) {
      found->uses_reserved_shared |= IsReservedShared(static_cast<SpecialRegister>(operand.id));
    }
    for (const Operand& child : operand.children) {
      Note(child, functions, found);
    }
  }

  const Module& module_;
  Survey& survey_;
  std::map<PointerShape, uint32_t> shapes_;
};

// Where in the text a register is first and last used.
struct Interval {
  uint32_t first = kNoIndex;
  uint32_t last = 0;

  void Cover(uint32_t position) {
    first = std::min(first, position);
    last = std::max(last, position);
  }
};

void CoverOperand(const Operand& operand, uint32_t position, std::vector<Interval>* intervals) {
  if (operand.ref == Ref::kRegister) {
    (*intervals)[operand.id].Cover(position);
  }
  for (const Operand& child : operand.children) {
    CoverOperand(child, position, intervals);
  }
}

std::vector<Interval> FindIntervals(const Body& body) {
  std::vector<Interval> intervals(body.registers.size());
  for (uint32_t i = 0; i < body.instructions.size(); ++i) {
    const Instruction& instruction = body.instructions[i];
    if (instruction.predicate != kNoIndex) {
      intervals[instruction.predicate].Cover(i);
    }
    for (const Operand& operand : instruction.operands) {
      CoverOperand(operand, i, &intervals);
    }
  }
  return intervals;
}

// A stretch of text that a branch repeats, and the one around it.
struct Loop {
  uint32_t begin = 0;
  uint32_t end = 0;  // the branch
  uint32_t outer = kNoIndex;
};

// Loops by where they begin, outer ones first; `innermost` says which one an instruction is in.
std::vector<Loop> FindLoops(const Body& body, std::vector<uint32_t>* innermost) {
  std::vector<Loop> loops;
  for (uint32_t i = 0; i < body.instructions.size(); ++i) {
    const Instruction& branch = body.instructions[i];
    if (branch.opcode == Opcode::kBra && !branch.operands.empty() &&
        branch.operands[0].kind == OperandKind::kLabel) {
      const uint32_t target = body.labels[branch.operands[0].id].instruction;
      if (target <= i) {
        loops.push_back({target, i, kNoIndex});
      }
    }
  }
  std::sort(loops.begin(), loops.end(), [](const Loop& a, const Loop& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end > b.end;
  });
  innermost->assign(body.instructions.size(), kNoIndex);
  uint32_t current = kNoIndex;
  size_t next = 0;
  for (uint32_t i = 0; i < body.instructions.size(); ++i) {
    while (current != kNoIndex && loops[current].end < i) {
      current = loops[current].outer;
    }
    for (; next < loops.size() && loops[next].begin == i; ++next) {
      loops[next].outer = current;
      current = static_cast<uint32_t>(next);
    }
    (*innermost)[i] = current;
  }
  return loops;
}

// What a loop reads and did not make itself is wanted until its last turn is over.
void ExtendOverLoops(const std::vector<Loop>& loops,
                     const std::vector<uint32_t>& innermost,
                     Interval* interval) {
  uint32_t loop = innermost[interval->last];
  for (int depth = 0; loop != kNoIndex && depth < kLoopDepthMax; ++depth) {
    if (loops[loop].begin <= interval->first) {
      return;
    }
    interval->last = std::max(interval->last, loops[loop].end);
    loop = loops[loop].outer;
  }
}

}  // namespace

uint32_t LiveRegistersMax(const Body& body) {
  std::vector<Interval> intervals = FindIntervals(body);
  std::vector<uint32_t> innermost;
  const std::vector<Loop> loops = FindLoops(body, &innermost);
  std::vector<int32_t> change(body.instructions.size() + 1, 0);
  for (size_t i = 0; i < intervals.size(); ++i) {
    Interval& interval = intervals[i];
    const RegisterInfo& info = body.registers[i];
    const auto words = static_cast<int32_t>((BitsOf(info.type) + 31) / 32 * info.vector);
    if (interval.first == kNoIndex || info.type == Type::kPred) {
      continue;
    }
    ExtendOverLoops(loops, innermost, &interval);
    change[interval.first] += words;
    change[std::max(interval.last, interval.first + 1)] -= words;
  }
  int32_t live = 0;
  int32_t most = 0;
  for (const int32_t step : change) {
    live += step;
    most = std::max(most, live);
  }
  return static_cast<uint32_t>(most);
}

OwnLayout LayoutOf(const Body& body) {
  OwnLayout own;
  VariableLayout local;
  VariableLayout shared;
  for (const Variable& variable : body.variables) {
    uint64_t offset = 0;
    if (variable.space == Space::kLocal) {
      offset = local.Place(variable);
    } else if (variable.space == Space::kShared && !variable.is_unsized) {
      offset = shared.Place(variable);
    }
    own.offsets.push_back(offset);
  }
  own.local_bytes = RoundUp(local.bytes(), kLocalAlignBytes);
  own.shared_bytes = shared.bytes();
  own.shared_align_bytes = shared.align_bytes();
  return own;
}

Result<Survey> SurveyModule(const Module& module) {
  Survey survey;
  survey.functions.resize(module.functions.size());
  Surveyor surveyor(module, &survey);
  for (size_t i = 0; i < module.functions.size(); ++i) {
    if (module.functions[i].has_body) {
      FARLANE_TRY(surveyor.Read(module.functions[i], &survey.functions[i]));
    }
  }
  SortOnce(&survey.taken);
  return survey;
}

}  // namespace farlane::soft::ptx
