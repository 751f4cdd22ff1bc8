// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/graph_home.h"

#include <algorithm>

namespace farlane::server {

GraphHome::~GraphHome() {
  if (graph_ != nullptr) {
    static_cast<void>(driver_.cuGraphDestroy(graph_));
  }
}

CUresult GraphHome::AddCondition(CUcontext context,
                                 uint32_t value,
                                 uint32_t flags,
                                 uint64_t* number) {
  CUgraphConditionalHandle made = 0;
  const CUresult result =
      driver_.cuGraphConditionalHandleCreate(&made, graph_, context, value, flags);
  if (result == CUDA_SUCCESS) {
    conditions_[made].context = context;
    *number = made;
  }
  return result;
}

CUresult GraphHome::ClearOne(CUgraph graph) {
  size_t count = 0;
  CUresult result = driver_.cuGraphGetEdges_v2(graph, nullptr, nullptr, nullptr, &count);
  if (result == CUDA_SUCCESS && count != 0) {
    std::vector<CUgraphNode> from(count);
    std::vector<CUgraphNode> to(count);
    std::vector<CUgraphEdgeData> data(count);
    result = driver_.cuGraphGetEdges_v2(graph, from.data(), to.data(), data.data(), &count);
    if (result == CUDA_SUCCESS) {
      result =
          driver_.cuGraphRemoveDependencies_v2(graph, from.data(), to.data(), data.data(), count);
    }
  }
  count = 0;
  result = result == CUDA_SUCCESS ? driver_.cuGraphGetNodes(graph, nullptr, &count) : result;
  std::vector<CUgraphNode> nodes(count);
  if (result == CUDA_SUCCESS && count != 0) {
    result = driver_.cuGraphGetNodes(graph, nodes.data(), &count);
  }
  for (size_t i = 0; result == CUDA_SUCCESS && i < nodes.size(); ++i) {
    const bool stays = std::any_of(conditions_.begin(), conditions_.end(),
                                   [&](const auto& one) { return one.second.node == nodes[i]; });
    result = stays ? CUDA_SUCCESS : driver_.cuGraphDestroyNode(nodes[i]);
  }
  return result;
}

CUresult GraphHome::Open() {
  if (is_open_) {
    return CUDA_ERROR_ILLEGAL_STATE;
  }
  CUresult result = ClearOne(graph_);
  for (auto& [number, condition] : conditions_) {
    condition.placed = false;
    for (uint32_t i = 0; condition.node != nullptr && i < condition.shape.bodies; ++i) {
      result = result == CUDA_SUCCESS ? ClearOne(condition.bodies[i]) : result;
    }
  }
  is_open_ = result == CUDA_SUCCESS;
  return result;
}

CUresult GraphHome::Place(const ConditionalNode& wanted,
                          CUgraph graph,
                          const std::vector<CUgraphNode>& after,
                          CUgraphNode* node,
                          const CUgraph** bodies) {
  const auto found = conditions_.find(wanted.condition);
  // So many that no client means it.
  constexpr uint32_t kBodiesMax = 1u << 16;
  if (found == conditions_.end() || found->second.placed || wanted.bodies > kBodiesMax) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  Condition& condition = found->second;
  CUresult result = CUDA_SUCCESS;
  if (condition.node == nullptr) {
    CUgraphNodeParams params{};
    params.type = CU_GRAPH_NODE_TYPE_CONDITIONAL;
    params.conditional.handle = wanted.condition;
    params.conditional.type = wanted.type;
    params.conditional.size = wanted.bodies;
    params.conditional.ctx = condition.context;
    result = driver_.cuGraphAddNode_v2(&condition.node, graph, after.data(), nullptr, after.size(),
                                       &params);
    if (result != CUDA_SUCCESS) {
      condition.node = nullptr;
      return result;
    }
    condition.graph = graph;
    condition.shape = wanted;
    condition.bodies = params.conditional.phGraph_out;
  } else if (condition.graph != graph || condition.shape.type != wanted.type ||
             condition.shape.bodies != wanted.bodies) {
    return CUDA_ERROR_INVALID_VALUE;
  } else if (!after.empty()) {
    const std::vector<CUgraphNode> to(after.size(), condition.node);
    result =
        driver_.cuGraphAddDependencies_v2(graph, after.data(), to.data(), nullptr, after.size());
  }
  condition.placed = result == CUDA_SUCCESS;
  *node = condition.node;
  *bodies = condition.bodies;
  return result;
}

// What is in a body goes with it.
void GraphHome::ForgetIn(CUgraph graph) {
  for (auto& [number, condition] : conditions_) {
    if (condition.node == nullptr || condition.graph != graph) {
      continue;
    }
    condition.node = nullptr;
    for (uint32_t i = 0; i < condition.shape.bodies; ++i) {
      ForgetIn(condition.bodies[i]);
    }
  }
}

CUresult GraphHome::DropUnplaced() {
  CUresult result = CUDA_SUCCESS;
  for (auto& [number, condition] : conditions_) {
    if (condition.node == nullptr || condition.placed) {
      continue;
    }
    const CUgraphNode gone = condition.node;
    condition.node = nullptr;
    for (uint32_t i = 0; i < condition.shape.bodies; ++i) {
      ForgetIn(condition.bodies[i]);
    }
    const CUresult dropped = driver_.cuGraphDestroyNode(gone);
    result = result == CUDA_SUCCESS ? dropped : result;
  }
  return result;
}

}  // namespace farlane::server
