// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/fault_plan.h"

#include <algorithm>
#include <charconv>

namespace farlane::soft {
namespace {

constexpr char kBlanks[] = " \t";

std::string_view Trim(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

template <typename T>
bool ParseNumber(std::string_view text, T* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

Status Refuse(std::string_view rule) {
  return {StatusCode::kInvalidArgument, "'" + std::string(rule) +
                                            "' is not a fault such as cuMemAlloc_v2@3=2, "
                                            "cuLaunchKernel@5+=719:late, cuMemcpyDtoH_v2@1=lost, "
                                            "cuMemcpyHtoD_v2@2=719:half or cuMemcpyHtoD_v2@2=die"};
}

struct Word {
  std::string_view text;
  FaultKind kind;
};

// Instead of an error.
constexpr Word kWords[] = {{"lost", FaultKind::kLost}, {"die", FaultKind::kDeath}};
// Behind one.
constexpr Word kEndings[] = {{":late", FaultKind::kLate}, {":half", FaultKind::kHalf}};

}  // namespace

Status FaultPlan::ParseRule(std::string_view text, Rule* rule) {
  const size_t at = text.find('@');
  const size_t equals = text.find('=');
  if (at == 0 || at == std::string_view::npos || equals == std::string_view::npos || equals < at) {
    return Refuse(text);
  }
  rule->call = text.substr(0, at);
  std::string_view turn = text.substr(at + 1, equals - at - 1);
  if (!turn.empty() && turn.back() == '+') {
    rule->onwards = true;
    turn.remove_suffix(1);
  }
  if (!ParseNumber(turn, &rule->turn) || rule->turn == 0) {
    return Refuse(text);
  }
  std::string_view error = text.substr(equals + 1);
  for (const Word& word : kWords) {
    if (error == word.text) {
      rule->fault = {word.kind, CUDA_ERROR_DEVICE_UNAVAILABLE};
      return Status::Ok();
    }
  }
  rule->fault.kind = FaultKind::kAtOnce;
  for (const Word& ending : kEndings) {
    if (error.ends_with(ending.text)) {
      rule->fault.kind = ending.kind;
      error.remove_suffix(ending.text.size());
      break;
    }
  }
  int code = 0;
  if (!ParseNumber(error, &code) || code <= 0 || code > CUDA_ERROR_UNKNOWN) {
    return Refuse(text);
  }
  rule->fault.result = static_cast<CUresult>(code);
  return Status::Ok();
}

Result<FaultPlan> FaultPlan::Parse(std::string_view text) {
  FaultPlan plan;
  while (!Trim(text).empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    Rule rule;
    FARLANE_TRY(ParseRule(Trim(text.substr(0, comma)), &rule));
    plan.rules_.push_back(std::move(rule));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return plan;
}

PlannedFault FaultPlan::Next(std::string_view call) {
  if (lost_) {
    return {FaultKind::kLost, CUDA_ERROR_DEVICE_UNAVAILABLE};
  }
  PlannedFault next;
  for (Rule& rule : rules_) {
    if (rule.call != call) {
      continue;
    }
    ++rule.turns_seen;
    const bool due = rule.onwards ? rule.turns_seen >= rule.turn : rule.turns_seen == rule.turn;
    if (due && next.kind == FaultKind::kNone) {
      next = rule.fault;
    }
  }
  lost_ = next.kind == FaultKind::kLost;
  return next;
}

}  // namespace farlane::soft
