// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/register_estimate.h"

#include <algorithm>

#include "protocol/base/bytes.h"

namespace farlane::soft::ptx {
namespace {

constexpr uint32_t kRegistersPerThreadMax = 255;
constexpr uint32_t kRegistersPerBlock = 65536;
constexpr uint32_t kRegistersStep = 8;
// Said at most of a kernel that does not limit its blocks: with these the largest block still fits,
// and here every kernel runs in the largest block.
constexpr uint32_t kRegistersUnlimited = kRegistersPerBlock / 1024;
constexpr uint32_t kRegistersMin = 16;
constexpr uint32_t kRegistersBeside =
    4;  // the stack pointer and addresses that PTX has no name for
constexpr uint32_t kRegisterBytes = 4;

// How many the kernel's own directives leave it; 0 if it has none.
uint32_t LimitOf(const FunctionDirectives& directives) {
  if (directives.maxnreg != 0) {
    return std::min(directives.maxnreg, kRegistersPerThreadMax);
  }
  const Extent& extent = directives.reqntid[0] != 0 ? directives.reqntid : directives.maxntid;
  const uint64_t threads = uint64_t{extent[0]} * extent[1] * extent[2];
  if (threads == 0) {
    return 0;
  }
  const uint64_t together = threads * std::max(directives.minnctapersm, 1u);
  const uint64_t share = kRegistersPerBlock / together / kRegistersStep * kRegistersStep;
  return static_cast<uint32_t>(std::clamp<uint64_t>(share, kRegistersMin, kRegistersPerThreadMax));
}

}  // namespace

RegisterEstimate::RegisterEstimate(const Module& module,
                                   const Survey& survey,
                                   std::span<const uint32_t> taken)
    : module_(module), survey_(survey), taken_(taken), live_(module.functions.size()) {}

uint32_t RegisterEstimate::LiveFrom(uint32_t function) {
  struct Visit {
    uint32_t function;
    size_t next = 0;  // of its callees
  };

  // By hand, because a stranger's chain of calls may be as long as the text.
  std::vector<Visit> path;
  const auto enter = [&](uint32_t index) {
    if (!live_[index].has_value()) {
      live_[index] = survey_.functions[index].registers_live_max;  // final once it is left
      path.push_back({index});
    }
  };
  enter(function);
  while (!path.empty()) {
    Visit& visit = path.back();
    const uint32_t caller = visit.function;
    const std::vector<uint32_t>& callees = survey_.functions[caller].callees;
    if (visit.next < callees.size()) {
      enter(module_.DefinitionOf(callees[visit.next++]));
      continue;
    }
    for (const uint32_t callee : callees) {
      live_[caller] = std::max(*live_[caller], *live_[module_.DefinitionOf(callee)]);
    }
    path.pop_back();
  }
  return *live_[function];
}

RegisterNeed RegisterEstimate::Of(uint32_t kernel) {
  uint32_t live = LiveFrom(kernel);
  const bool may_call_any =
      !taken_.empty() &&
      std::any_of(survey_.functions.begin(), survey_.functions.end(),
                  [](const FunctionSurvey& function) { return function.calls_through_pointers; });
  if (may_call_any && !is_taken_counted_) {
    is_taken_counted_ = true;
    for (const uint32_t function : taken_) {
      live_of_taken_ = std::max(live_of_taken_, LiveFrom(module_.DefinitionOf(function)));
    }
  }
  live = std::max(live, live_of_taken_);
  const uint32_t needed = live + kRegistersBeside;
  const auto wanted =
      static_cast<uint32_t>(RoundUp(uint64_t{std::max(needed, kRegistersMin)}, kRegistersStep));
  const uint32_t limit = LimitOf(module_.functions[kernel].directives);
  if (limit == 0) {
    return {std::min(wanted, kRegistersUnlimited), 0};
  }
  return {std::min(wanted, limit), needed > limit ? (needed - limit) * kRegisterBytes : 0};
}

}  // namespace farlane::soft::ptx
