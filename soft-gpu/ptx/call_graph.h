// SPDX-License-Identifier: Apache-2.0
// CallGraph says who can call whom in a module, calls through pointers included. It is made once
// for all of a module's kernels; functions that call each other in a ring are one component, so
// what a function needs with all it calls is found by walking the components once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "protocol/base/result.h"
#include "soft-gpu/ptx/call_shape.h"
#include "soft-gpu/ptx/survey.h"

namespace farlane::soft::ptx {

// A node is a function with its number in the module, or, behind those, a shape of calls through
// pointers, which "calls" all functions of that shape: so a thousand callers and a thousand targets
// make two thousand edges, not a million.
// Thread: immutable once made.
class CallGraph {
 public:
  CallGraph(const Module& module, const Survey& survey, const PointerTargets& targets);

  // The entry and all definitions it can reach, nearest first. kExhausted: more than `count_max`.
  Result<std::vector<uint32_t>> ReachedFrom(uint32_t entry, size_t count_max) const;

  size_t component_count() const { return components_.size() - 1; }

  // A component's nodes. Components are in the order in which callees come before their callers.
  std::span<const uint32_t> NodesOf(size_t component) const {
    return std::span(members_).subspan(components_[component],
                                       components_[component + 1] - components_[component]);
  }

  size_t ComponentOf(uint32_t node) const { return component_of_[node]; }

  bool IsFunction(uint32_t node) const { return node < function_count_; }

  // Definitions and shapes that a node calls.
  std::span<const uint32_t> CalleesOf(uint32_t node) const {
    return std::span(edges_).subspan(first_edges_[node],
                                     first_edges_[node + 1] - first_edges_[node]);
  }

  // Whether a function of the component can, by whatever way, call itself.
  bool IsRing(size_t component) const;

 private:
  void FindComponents();

  uint32_t function_count_;
  std::vector<uint32_t> first_edges_;  // by node, and the end
  std::vector<uint32_t> edges_;
  std::vector<uint32_t> components_;  // where each begins in members_, and the end
  std::vector<uint32_t> members_;
  std::vector<uint32_t> component_of_;
};

}  // namespace farlane::soft::ptx
