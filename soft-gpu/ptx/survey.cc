// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/survey.h"

#include <algorithm>

#include "soft-gpu/ptx/optable.h"
#include "soft-gpu/ptx/parser.h"

namespace farlane::soft::ptx {

namespace {

// Loops inside each other that an estimate looks at; a text may nest them as deep as it is long.
constexpr int kLoopDepthMax = 32;

// Functions that an operand names, its parts included.
void NoteFunctions(const Operand& operand, std::vector<uint32_t>* functions) {
  if (operand.ref == Ref::kFunction) {
    functions->push_back(operand.id);
  }
  for (const Operand& child : operand.children) {
    NoteFunctions(child, functions);
  }
}

void NoteCall(const Instruction& call, FunctionSurvey* survey, std::vector<uint32_t>* taken) {
  for (size_t i = 0; i < call.operands.size(); ++i) {
    NoteFunctions(call.operands[i], i == 1 ? &survey->callees : taken);
  }
  survey->calls_through_pointers |=
      call.operands.size() > 1 && call.operands[1].ref == Ref::kRegister;
}

void SortOnce(std::vector<uint32_t>* values) {
  std::sort(values->begin(), values->end());
  values->erase(std::unique(values->begin(), values->end()), values->end());
}

Status SurveyBody(const Module& module,
                  const Function& function,
                  FunctionSurvey* survey,
                  std::vector<uint32_t>* taken) {
  FARLANE_ASSIGN(const Body body, ParseBody(module, function));
  for (const Instruction& instruction : body.instructions) {
    if (Status checked = CheckInstruction(module, body, instruction);
        checked.code() == StatusCode::kInvalidArgument) {
      return checked;
    }
    if (instruction.opcode == Opcode::kCall) {
      NoteCall(instruction, survey, taken);
      continue;
    }
    for (const Operand& operand : instruction.operands) {
      NoteFunctions(operand, taken);
    }
  }
  SortOnce(&survey->callees);
  survey->registers_live_max = LiveRegistersMax(body);
  return Status::Ok();
}

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

Result<Survey> SurveyModule(const Module& module) {
  Survey survey;
  survey.functions.resize(module.functions.size());
  for (size_t i = 0; i < module.functions.size(); ++i) {
    if (module.functions[i].has_body) {
      FARLANE_TRY(SurveyBody(module, module.functions[i], &survey.functions[i], &survey.taken));
    }
  }
  SortOnce(&survey.taken);
  return survey;
}

}  // namespace farlane::soft::ptx
