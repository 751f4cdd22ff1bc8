// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/call_graph.h"

#include <algorithm>
#include <string>

namespace farlane::soft::ptx {
namespace {

// Tarjan's algorithm, without recursion: a stranger's chain of calls may be as long as the text.
// Thread: caller's.
class ComponentFinder {
 public:
  ComponentFinder(const CallGraph& graph, size_t node_count)
      : graph_(graph), order_(node_count, kNoIndex), lowest_(node_count), is_open_(node_count) {}

  // Calls `close` with the nodes of each component that is not known yet and `root` can reach.
  template <typename Close>
  void Visit(uint32_t root, const Close& close) {
    Enter(root);
    while (!path_.empty()) {
      const uint32_t node = path_.back().node;
      const std::span<const uint32_t> callees = graph_.CalleesOf(node);
      if (path_.back().next < callees.size()) {
        Step(node, callees[path_.back().next++]);
        continue;
      }
      path_.pop_back();
      if (!path_.empty()) {
        uint32_t& above = lowest_[path_.back().node];
        above = std::min(above, lowest_[node]);
      }
      if (lowest_[node] == order_[node]) {
        Leave(node, close);
      }
    }
  }

 private:
  struct Place {
    uint32_t node = 0;
    size_t next = 0;  // of its callees
  };

  void Enter(uint32_t node) {
    if (order_[node] != kNoIndex) {
      return;
    }
    order_[node] = lowest_[node] = entered_++;
    is_open_[node] = true;
    open_.push_back(node);
    path_.push_back({node, 0});
  }

  void Step(uint32_t node, uint32_t callee) {
    if (order_[callee] == kNoIndex) {
      Enter(callee);
    } else if (is_open_[callee]) {
      lowest_[node] = std::min(lowest_[node], order_[callee]);
    }
  }

  template <typename Close>
  void Leave(uint32_t root, const Close& close) {
    const auto begin = std::find(open_.rbegin(), open_.rend(), root).base() - 1;
    for (auto node = begin; node != open_.end(); ++node) {
      is_open_[*node] = false;
    }
    close(std::span<const uint32_t>(begin, open_.end()));
    open_.erase(begin, open_.end());
  }

  const CallGraph& graph_;
  uint32_t entered_ = 0;
  std::vector<uint32_t> order_;   // by node: its turn
  std::vector<uint32_t> lowest_;  // by node: the earliest open one it can reach
  std::vector<bool> is_open_;
  std::vector<uint32_t> open_;
  std::vector<Place> path_;
};

}  // namespace

CallGraph::CallGraph(const Module& module, const Survey& survey, const PointerTargets& targets)
    : function_count_(static_cast<uint32_t>(module.functions.size())) {
  for (const FunctionSurvey& function : survey.functions) {
    first_edges_.push_back(static_cast<uint32_t>(edges_.size()));
    for (const uint32_t callee : function.callees) {
      const uint32_t definition = module.DefinitionOf(callee);
      if (module.functions[definition].has_body) {
        edges_.push_back(definition);
      }
    }
    for (const uint32_t shape : function.shapes) {
      edges_.push_back(function_count_ + shape);
    }
  }
  for (const PointerShape& shape : survey.shapes) {
    first_edges_.push_back(static_cast<uint32_t>(edges_.size()));
    for (const uint32_t function : targets.Of(shape)) {
      edges_.push_back(module.DefinitionOf(function));
    }
  }
  first_edges_.push_back(static_cast<uint32_t>(edges_.size()));
  FindComponents();
}

void CallGraph::FindComponents() {
  const size_t node_count = first_edges_.size() - 1;
  component_of_.resize(node_count);
  components_.push_back(0);
  ComponentFinder finder(*this, node_count);
  for (uint32_t node = 0; node < node_count; ++node) {
    finder.Visit(node, [&](std::span<const uint32_t> nodes) {
      for (const uint32_t member : nodes) {
        component_of_[member] = static_cast<uint32_t>(components_.size() - 1);
        members_.push_back(member);
      }
      components_.push_back(static_cast<uint32_t>(members_.size()));
    });
  }
}

bool CallGraph::IsRing(size_t component) const {
  const std::span<const uint32_t> nodes = NodesOf(component);
  const std::span<const uint32_t> callees = CalleesOf(nodes[0]);
  return nodes.size() > 1 || std::find(callees.begin(), callees.end(), nodes[0]) != callees.end();
}

Result<std::vector<uint32_t>> CallGraph::ReachedFrom(uint32_t entry, size_t count_max) const {
  std::vector<bool> is_known(first_edges_.size() - 1, false);
  std::vector<uint32_t> nodes = {entry};
  std::vector<uint32_t> functions;
  is_known[entry] = true;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (IsFunction(nodes[i])) {
      functions.push_back(nodes[i]);
    }
    if (functions.size() > count_max) {
      return Status(StatusCode::kExhausted,
                    "the kernel can reach more than " + std::to_string(count_max) + " functions");
    }
    for (const uint32_t callee : CalleesOf(nodes[i])) {
      if (!is_known[callee]) {
        is_known[callee] = true;
        nodes.push_back(callee);
      }
    }
  }
  return functions;
}

}  // namespace farlane::soft::ptx
