// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/kernel_layout.h"

#include <algorithm>
#include <string>
#include <utility>

#include "soft-gpu/ptx/variable_layout.h"

namespace farlane::soft::ptx {
namespace {

constexpr uint64_t kSharedBytesMax = 227_KiB;  // what a block may have at compute capability 9
constexpr uint64_t kLocalBytesMax = 512_KiB;   // per thread, as the programming guide says
constexpr uint64_t kDynamicSharedAlignBytesMin = 16;
constexpr size_t kFunctionsMax = 4096;

// By component, for its deepest chain of calls.
std::vector<LocalNeed> LocalNeeds(const Survey& survey, const CallGraph& graph) {
  std::vector<LocalNeed> needs;
  for (size_t component = 0; component < graph.component_count(); ++component) {
    uint64_t own = 0;
    LocalNeed below;
    below.needs_stack = graph.IsRing(component);  // how often it is gone round is not in the text
    for (const uint32_t node : graph.NodesOf(component)) {
      if (graph.IsFunction(node)) {
        own = std::max(own, survey.functions[node].local_bytes);
        below.needs_stack |= survey.functions[node].uses_alloca;
      }
      for (const uint32_t callee : graph.CalleesOf(node)) {
        if (const size_t other = graph.ComponentOf(callee); other != component) {
          below.bytes = std::max(below.bytes, needs[other].bytes);
          below.needs_stack |= needs[other].needs_stack;
        }
      }
    }
    needs.push_back({own + below.bytes, below.needs_stack});
  }
  return needs;
}

}  // namespace

KernelLayouts::KernelLayouts(const Module& module, Survey survey, std::span<const uint32_t> taken)
    : module_(module),
      survey_(std::move(survey)),
      targets_(module, taken),
      graph_(module, survey_, targets_),
      needs_(LocalNeeds(survey_, graph_)) {}

Result<KernelLayout> KernelLayouts::Of(uint32_t entry) const {
  const std::string name = "kernel " + std::string(module_.functions[entry].name);
  KernelLayout layout;
  FARLANE_ASSIGN(layout.functions, graph_.ReachedFrom(entry, kFunctionsMax).While(name));
  FARLANE_TRY(PlaceShared(&layout).While(name));
  const LocalNeed& need = needs_[graph_.ComponentOf(entry)];
  layout.local_bytes = need.bytes;
  layout.needs_stack = need.needs_stack;
  if (layout.local_bytes > kLocalBytesMax) {
    return Status(StatusCode::kExhausted, name + " needs " + std::to_string(layout.local_bytes) +
                                              " bytes of local memory per thread");
  }
  return layout;
}

// All unsized shared arrays are one memory, behind the sized ones.
Status KernelLayouts::PlaceShared(KernelLayout* layout) const {
  VariableLayout shared;
  uint64_t dynamic_align = 0;
  bool uses_reserved = false;
  std::vector<uint32_t> dynamic;
  for (const uint32_t function : layout->functions) {
    const FunctionSurvey& survey = survey_.functions[function];
    uses_reserved |= survey.uses_reserved_shared;
    layout->own_shared_offsets.push_back(
        shared.Place(survey.own_shared_bytes, survey.own_shared_align_bytes));
    for (const uint32_t index : survey.shared_variables) {
      const Variable& variable = module_.variables[index];
      if (!layout->shared_offsets.try_emplace(index, 0).second) {
        continue;
      }
      if (variable.is_unsized || variable.SizeOf() == 0) {
        dynamic_align = std::max<uint64_t>(dynamic_align, variable.AlignOf());
        dynamic.push_back(index);
      } else {
        layout->shared_offsets[index] = shared.Place(variable);
      }
    }
  }
  if (uses_reserved) {
    layout->reserved_shared_offset = shared.Place(kReservedSharedBytes, 16);
  }
  if (!dynamic.empty()) {
    shared.Align(std::max(dynamic_align, kDynamicSharedAlignBytesMin));
  }
  for (const uint32_t index : dynamic) {
    layout->shared_offsets[index] = shared.bytes();
  }
  layout->static_shared_bytes = shared.bytes();
  return shared.bytes() <= kSharedBytesMax
             ? Status::Ok()
             : Status(StatusCode::kExhausted,
                      "declares " + std::to_string(shared.bytes()) + " bytes of shared memory");
}

}  // namespace farlane::soft::ptx
