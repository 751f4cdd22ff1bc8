// SPDX-License-Identifier: Apache-2.0
// What comes before what in a graph.
#include <algorithm>
#include <map>
#include <set>

#include "protocol/graph/graphs.h"

namespace farlane::graph {

namespace {

// What bodies of conditional nodes may have.
bool MayBeInBody(CUgraphNodeType type) {
  return type == CU_GRAPH_NODE_TYPE_KERNEL || type == CU_GRAPH_NODE_TYPE_MEMCPY ||
         type == CU_GRAPH_NODE_TYPE_MEMSET || type == CU_GRAPH_NODE_TYPE_EMPTY ||
         type == CU_GRAPH_NODE_TYPE_GRAPH || type == CU_GRAPH_NODE_TYPE_CONDITIONAL;
}

bool IsBody(const std::vector<Step>& steps) {
  return std::all_of(steps.begin(), steps.end(),
                     [](const Step& step) { return MayBeInBody(step.command->type); });
}

bool HaveBodies(const std::vector<Step>& steps) {
  return std::all_of(steps.begin(), steps.end(), [](const Step& step) {
    return std::all_of(step.bodies.begin(), step.bodies.end(), [](const std::vector<Step>& body) {
      return IsBody(body) && HaveBodies(body);
    });
  });
}

}  // namespace

CUresult Graphs::Steps(wire::Handle handle, std::vector<Step>* steps) {
  if (HasIdleConditions(handle)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const std::lock_guard lock(mutex_);
  const bool whole = graphs_.Find(handle) != nullptr && StepsLocked(handle, {}, steps);
  if (!whole) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return HaveBodies(*steps) ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
}

// Places a node, behind what is in it. A child graph's first nodes come behind all that its
// node comes behind, and its node behind its last ones.
bool Graphs::PlaceNode(wire::Handle handle,
                       const std::vector<uint32_t>& after,
                       std::vector<Step>* steps) {
  const Node& node = *nodes_.Find(handle);
  Step step{.node = handle, .command = node.command, .after = after};
  if (node.child != 0) {
    const size_t first = steps->size();
    if (!StepsLocked(node.child, after, steps)) {
      return false;
    }
    step.inside = static_cast<uint32_t>(steps->size() - first);
    std::set<uint32_t> last;
    for (size_t i = first; i < steps->size(); ++i) {
      last.insert(static_cast<uint32_t>(i));
    }
    for (size_t i = first; i < steps->size(); ++i) {
      for (const uint32_t before : (*steps)[i].after) {
        last.erase(before);
      }
    }
    if (!last.empty()) {
      step.after.assign(last.begin(), last.end());
    }
  }
  for (const CUgraph body : node.bodies) {
    if (!StepsLocked(wire::ToWire(body), {}, &step.bodies.emplace_back())) {
      return false;
    }
  }
  if (!node.bodies.empty()) {
    step.condition = conditions_[node.command->params->value.conditional.handle].condition;
  }
  steps->push_back(std::move(step));
  return true;
}

// False if nodes go in a circle. `before`: what those come behind that come behind none here.
bool Graphs::StepsLocked(wire::Handle handle,
                         const std::vector<uint32_t>& before,
                         std::vector<Step>* steps) {
  const Graph& graph = *graphs_.Find(handle);
  std::map<wire::Handle, size_t> missing;  // how many of those before it are not placed yet
  std::map<wire::Handle, std::vector<wire::Handle>> behind;
  std::vector<wire::Handle> ready;
  for (const wire::Handle node : graph.nodes) {
    const Predecessors& after = nodes_.Find(node)->after;
    missing[node] = after.size();
    if (after.empty()) {
      ready.push_back(node);
    }
    for (const Edge& edge : after) {
      behind[edge.from].push_back(node);
    }
  }
  std::map<wire::Handle, uint32_t> places;
  for (size_t next = 0; next < ready.size(); ++next) {
    const wire::Handle node = ready[next];
    std::vector<uint32_t> after;
    for (const Edge& edge : nodes_.Find(node)->after) {
      after.push_back(places[edge.from]);
    }
    if (!PlaceNode(node, after.empty() ? before : after, steps)) {
      return false;
    }
    places[node] = static_cast<uint32_t>(steps->size() - 1);
    for (const wire::Handle other : behind[node]) {
      if (--missing[other] == 0) {
        ready.push_back(other);
      }
    }
  }
  return ready.size() == graph.nodes.size();
}

std::vector<GraphPicture> Graphs::Picture(wire::Handle handle) {
  const std::lock_guard lock(mutex_);
  std::vector<wire::Handle> open;
  if (graphs_.Find(handle) != nullptr) {
    open.push_back(handle);
  }
  std::vector<GraphPicture> pictures;
  for (size_t next = 0; next < open.size(); ++next) {
    GraphPicture picture{.graph = open[next], .items = {}};
    for (const wire::Handle one : graphs_.Find(open[next])->nodes) {
      const Node& node = *nodes_.Find(one);
      picture.items.push_back({.node = one,
                               .command = node.command,
                               .after = node.after,
                               .child = node.child,
                               .bodies = node.bodies});
      if (node.child != 0) {
        open.push_back(node.child);
      }
      for (const CUgraph body : node.bodies) {
        open.push_back(wire::ToWire(body));
      }
    }
    pictures.push_back(std::move(picture));
  }
  return pictures;
}

// These nodes and all before them.
std::set<wire::Handle> Graphs::Behind(const Predecessors& nodes) {
  std::set<wire::Handle> seen;
  std::vector<wire::Handle> open;
  for (const Edge& edge : nodes) {
    open.push_back(edge.from);
  }
  while (!open.empty()) {
    const wire::Handle node = open.back();
    open.pop_back();
    const Node* object = nodes_.Find(node);
    if (object == nullptr || !seen.insert(node).second) {
      continue;
    }
    for (const Edge& edge : object->after) {
      open.push_back(edge.from);
    }
  }
  return seen;
}

bool Graphs::AreBehind(const Predecessors& nodes, const Predecessors& of) {
  const std::lock_guard lock(mutex_);
  const std::set<wire::Handle> seen = Behind(of);
  return std::all_of(nodes.begin(), nodes.end(),
                     [&seen](const Edge& edge) { return seen.count(edge.from) != 0; });
}

std::vector<Step> Graphs::FreeingBefore(wire::Handle handle, const Predecessors& after) {
  const std::lock_guard lock(mutex_);
  std::vector<Step> freeing;
  const Graph* graph = graphs_.Find(handle);
  if (graph == nullptr || !HasMemory(*graph)) {
    return freeing;
  }
  for (const wire::Handle node : Behind(after)) {
    const CommandPtr& command = nodes_.Find(node)->command;
    if (command->type == CU_GRAPH_NODE_TYPE_MEM_FREE) {
      freeing.push_back({.node = node, .command = command, .after = {}});
    }
  }
  return freeing;
}

MemoryNodes Graphs::MemoryNodesOf(wire::Handle handle, const GraphBlockPtr& block) {
  const std::lock_guard lock(mutex_);
  MemoryNodes found;
  const Graph* graph = graphs_.Find(handle);
  if (graph == nullptr) {
    return found;
  }
  for (const wire::Handle node : graph->nodes) {
    const Command& command = *nodes_.Find(node)->command;
    if (command.block == block) {
      ++(command.type == CU_GRAPH_NODE_TYPE_MEM_ALLOC ? found.allocating : found.freeing);
    }
  }
  return found;
}

}  // namespace farlane::graph
