// SPDX-License-Identifier: Apache-2.0
// Conditional nodes of a graph, and what they go by.
#include <algorithm>

#include "protocol/graph/graphs.h"

namespace farlane::graph {

using wire::ToWire;

CUresult Graphs::AddCondition(wire::Handle graph, const Condition& condition) {
  const std::lock_guard lock(mutex_);
  if (graphs_.Find(graph) == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const bool added = conditions_
                         .emplace(condition.number,
                                  OwnedCondition{.graph = graph, .node = 0, .condition = condition})
                         .second;
  return added ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

wire::Handle Graphs::Outermost(wire::Handle handle) {
  const std::lock_guard lock(mutex_);
  const Graph* graph = graphs_.Find(handle);
  if (graph == nullptr) {
    return 0;
  }
  while (const Node* owner = nodes_.Find(graph->owner)) {
    handle = owner->graph;
    graph = graphs_.Find(handle);
  }
  return handle;
}

bool Graphs::HasIdleConditions(wire::Handle graph) {
  const std::lock_guard lock(mutex_);
  return std::any_of(conditions_.begin(), conditions_.end(), [&](const auto& one) {
    return one.second.node == 0 && IsInside(one.second.graph, graph);
  });
}

bool Graphs::HasConditions(wire::Handle graph) {
  return std::any_of(conditions_.begin(), conditions_.end(),
                     [&](const auto& one) { return IsInside(one.second.graph, graph); });
}

// Whether a graph is what a child graph node has, or inside that.
bool Graphs::IsPartOfChild(wire::Handle graph) {
  for (const Node* owner = nodes_.Find(graphs_.Find(graph)->owner); owner != nullptr;
       owner = nodes_.Find(graphs_.Find(owner->graph)->owner)) {
    if (owner->child != 0) {
      return true;
    }
  }
  return false;
}

CUresult Graphs::CheckConditional(wire::Handle graph, const CUDA_CONDITIONAL_NODE_PARAMS& params) {
  const auto found = conditions_.find(params.handle);
  if (graphs_.Find(graph) == nullptr || found == conditions_.end() || found->second.node != 0 ||
      !IsInside(graph, found->second.graph)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (params.ctx != nullptr && ToWire(params.ctx) != found->second.condition.context) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (IsPartOfChild(graph)) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  // So many that no program means it.
  constexpr unsigned int kCasesMax = 1u << 16;
  const bool fits = params.type == CU_GRAPH_COND_TYPE_IF      ? params.size == 1 || params.size == 2
                    : params.type == CU_GRAPH_COND_TYPE_WHILE ? params.size == 1
                    : params.type == CU_GRAPH_COND_TYPE_SWITCH ? params.size >= 1
                                                               : false;
  return fits && params.size <= kCasesMax ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult Graphs::AddConditional(wire::Handle handle,
                                CommandPtr command,
                                Predecessors after,
                                const CUDA_CONDITIONAL_NODE_PARAMS& params,
                                wire::Handle* node) {
  Gone gone;  // ends after the lock
  const std::lock_guard lock(mutex_);
  CUresult result = CheckConditional(handle, params);
  result = result == CUDA_SUCCESS ? AddLocked(handle, std::move(command), std::move(after), node)
                                  : result;
  if (result != CUDA_SUCCESS) {
    return result;
  }
  Node* made = nodes_.Find(*node);
  conditions_[params.handle].node = *node;
  for (unsigned int i = 0; i < params.size; ++i) {
    const wire::Handle body =
        graphs_.Mint(Graph{.nodes = {}, .original = 0, .owner = *node, .objects = {}});
    if (body == 0) {
      EraseFrom(graphs_.Find(handle), *node);
      DropNode(*node, &gone);
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    made->bodies.push_back(wire::FromWire<CUgraph>(body));
  }
  return CUDA_SUCCESS;
}

CUgraph* Graphs::BodiesOf(wire::Handle handle) {
  const std::lock_guard lock(mutex_);
  Node* node = nodes_.Find(handle);
  return node == nullptr || node->bodies.empty() ? nullptr : node->bodies.data();
}

}  // namespace farlane::graph
