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
                                   const CallGraph& graph)
    : module_(module), graph_(graph) {
  for (size_t component = 0; component < graph.component_count(); ++component) {
    uint32_t live = 0;
    for (const uint32_t node : graph.NodesOf(component)) {
      live = std::max(live, graph.IsFunction(node) ? survey.functions[node].registers_live_max : 0);
      for (const uint32_t callee : graph.CalleesOf(node)) {
        const size_t other = graph.ComponentOf(callee);
        live = std::max(live, other == component ? 0 : live_[other]);
      }
    }
    live_.push_back(live);
  }
}

RegisterNeed RegisterEstimate::Of(uint32_t kernel) const {
  const uint32_t needed = live_[graph_.ComponentOf(kernel)] + kRegistersBeside;
  const auto wanted =
      static_cast<uint32_t>(RoundUp(uint64_t{std::max(needed, kRegistersMin)}, kRegistersStep));
  const uint32_t limit = LimitOf(module_.functions[kernel].directives);
  if (limit == 0) {
    return {std::min(wanted, kRegistersUnlimited), 0};
  }
  return {std::min(wanted, limit), needed > limit ? (needed - limit) * kRegisterBytes : 0};
}

}  // namespace farlane::soft::ptx
