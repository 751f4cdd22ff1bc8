// SPDX-License-Identifier: Apache-2.0
#include "protocol/graph/graphs.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

namespace farlane::graph {

using wire::FromWire;
using wire::ToWire;

namespace {

bool SameEdge(const CUgraphEdgeData& one, const CUgraphEdgeData& other) {
  return memcmp(&one, &other, sizeof one) == 0;
}

bool IsPlain(const CUgraphEdgeData& data) {
  return SameEdge(data, CUgraphEdgeData{});
}

struct FoundEdge {
  wire::Handle from = 0;
  wire::Handle to = 0;
  CUgraphEdgeData data{};
};

// As the driver tells lists: without an array only how many there are; with one as many as fit, and
// null behind the last.
CUresult Tell(const std::vector<FoundEdge>& found, const EdgeArrays& to) {
  const bool wants = to.from != nullptr || to.to != nullptr;
  const bool plain = std::all_of(found.begin(), found.end(),
                                 [](const FoundEdge& edge) { return IsPlain(edge.data); });
  if (wants && to.data == nullptr && !plain) {
    return CUDA_ERROR_LOSSY_QUERY;
  }
  if (!wants) {
    *to.count = found.size();
    return CUDA_SUCCESS;
  }
  for (size_t i = 0; i < *to.count; ++i) {
    const FoundEdge edge = i < found.size() ? found[i] : FoundEdge{};
    if (to.from != nullptr) {
      to.from[i] = FromWire<CUgraphNode>(edge.from);
    }
    if (to.to != nullptr) {
      to.to[i] = FromWire<CUgraphNode>(edge.to);
    }
    if (to.data != nullptr) {
      to.data[i] = edge.data;
    }
  }
  *to.count = std::min(*to.count, found.size());
  return CUDA_SUCCESS;
}

}  // namespace

wire::Handle Graphs::Create() {
  return graphs_.Mint(Graph{});
}

CUresult Graphs::Destroy(wire::Handle handle) {
  std::lock_guard<std::mutex> lock(mutex_);
  Graph* graph = graphs_.Find(handle);
  if (graph == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  for (const wire::Handle node : graph->nodes) {
    nodes_.Find(node)->command = nullptr;
    nodes_.Retire(node);
  }
  graph->nodes.clear();
  graphs_.Retire(handle);
  return CUDA_SUCCESS;
}

CUresult Graphs::Clone(wire::Handle handle, wire::Handle* clone) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Graph* graph = graphs_.Find(handle);
  if (graph == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *clone = graphs_.Mint(Graph{.nodes = {}, .original = handle});
  Graph* made = graphs_.Find(*clone);
  if (made == nullptr) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  std::map<wire::Handle, wire::Handle> twins;
  for (const wire::Handle node : graph->nodes) {
    Node copy = *nodes_.Find(node);
    copy.graph = *clone;
    copy.original = node;
    made->nodes.push_back(nodes_.Mint(std::move(copy)));
    twins[node] = made->nodes.back();
  }
  for (const wire::Handle node : made->nodes) {
    for (Edge& edge : nodes_.Find(node)->after) {
      edge.from = twins[edge.from];
    }
  }
  return CUDA_SUCCESS;
}

// ---- nodes and edges ----------------------------------------------------------------------------

bool Graphs::Holds(wire::Handle graph, const Predecessors& nodes) {
  std::lock_guard<std::mutex> lock(mutex_);
  return HoldsLocked(graph, nodes);
}

bool Graphs::HoldsLocked(wire::Handle graph, const Predecessors& nodes) {
  return std::all_of(nodes.begin(), nodes.end(), [&](const Edge& edge) {
    const Node* node = nodes_.Find(edge.from);
    return node != nullptr && node->graph == graph;
  });
}

CUresult Graphs::AddNode(wire::Handle handle,
                         CommandPtr command,
                         Predecessors after,
                         wire::Handle* node) {
  std::lock_guard<std::mutex> lock(mutex_);
  Graph* graph = graphs_.Find(handle);
  if (graph == nullptr || !HoldsLocked(handle, after)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *node = nodes_.Mint(Node{
      .graph = handle, .command = std::move(command), .after = std::move(after), .original = 0});
  if (*node == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  graph->nodes.push_back(*node);
  return CUDA_SUCCESS;
}

void Graphs::EraseFrom(Graph* graph, wire::Handle gone) {
  std::erase(graph->nodes, gone);
  for (const wire::Handle node : graph->nodes) {
    std::erase_if(nodes_.Find(node)->after, [gone](const Edge& edge) { return edge.from == gone; });
  }
}

CUresult Graphs::DestroyNode(wire::Handle handle) {
  std::lock_guard<std::mutex> lock(mutex_);
  Node* node = nodes_.Find(handle);
  if (node == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  EraseFrom(graphs_.Find(node->graph), handle);
  node->command = nullptr;
  nodes_.Retire(handle);
  return CUDA_SUCCESS;
}

CUresult Graphs::AddEdges(wire::Handle graph, const EdgeArgument& edges, size_t count) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (graphs_.Find(graph) == nullptr ||
      (count != 0 && (edges.from == nullptr || edges.to == nullptr))) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  for (size_t i = 0; i < count; ++i) {
    const Predecessors ends{{.from = ToWire(edges.from[i])}, {.from = ToWire(edges.to[i])}};
    if (!HoldsLocked(graph, ends) || edges.from[i] == edges.to[i]) {
      return CUDA_ERROR_INVALID_VALUE;
    }
  }
  for (size_t i = 0; i < count; ++i) {
    Predecessors& after = nodes_.Find(ToWire(edges.to[i]))->after;
    const wire::Handle from = ToWire(edges.from[i]);
    if (std::any_of(after.begin(), after.end(),
                    [from](const Edge& edge) { return edge.from == from; })) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    after.push_back(
        {.from = from, .data = edges.data == nullptr ? CUgraphEdgeData{} : edges.data[i]});
  }
  return CUDA_SUCCESS;
}

CUresult Graphs::RemoveEdges(wire::Handle graph, const EdgeArgument& edges, size_t count) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (graphs_.Find(graph) == nullptr ||
      (count != 0 && (edges.from == nullptr || edges.to == nullptr))) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  for (size_t i = 0; i < count; ++i) {
    Node* to = nodes_.Find(ToWire(edges.to[i]));
    if (to == nullptr || to->graph != graph) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    const auto same = [&](const Edge& edge) {
      const CUgraphEdgeData wanted = edges.data == nullptr ? CUgraphEdgeData{} : edges.data[i];
      return edge.from == ToWire(edges.from[i]) && SameEdge(edge.data, wanted);
    };
    if (std::erase_if(to->after, same) == 0) {
      return CUDA_ERROR_INVALID_VALUE;
    }
  }
  return CUDA_SUCCESS;
}

CommandPtr Graphs::CommandOf(wire::Handle node) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Node* found = nodes_.Find(node);
  return found == nullptr ? nullptr : found->command;
}

CUresult Graphs::SetCommand(wire::Handle node, CommandPtr command) {
  std::lock_guard<std::mutex> lock(mutex_);
  Node* found = nodes_.Find(node);
  if (found == nullptr || found->command->type != command->type) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  found->command = std::move(command);
  return CUDA_SUCCESS;
}

// ---- questions ----------------------------------------------------------------------------------

CUresult Graphs::FindInClone(wire::Handle original, wire::Handle clone, wire::Handle* node) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Graph* graph = graphs_.Find(clone);
  if (graph == nullptr || graph->original == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  for (const wire::Handle one : graph->nodes) {
    if (nodes_.Find(one)->original == original) {
      *node = one;
      return CUDA_SUCCESS;
    }
  }
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult Graphs::Nodes(wire::Handle handle, bool roots_only, CUgraphNode* nodes, size_t* count) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Graph* graph = graphs_.Find(handle);
  if (graph == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::vector<FoundEdge> found;
  for (const wire::Handle node : graph->nodes) {
    if (!roots_only || nodes_.Find(node)->after.empty()) {
      found.push_back({.from = node});
    }
  }
  return Tell(found, {.from = nodes, .count = count});
}

CUresult Graphs::Edges(wire::Handle handle, const EdgeArrays& to) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Graph* graph = graphs_.Find(handle);
  if (graph == nullptr || (to.from == nullptr) != (to.to == nullptr)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::vector<FoundEdge> found;
  for (const wire::Handle node : graph->nodes) {
    for (const Edge& edge : nodes_.Find(node)->after) {
      found.push_back({.from = edge.from, .to = node, .data = edge.data});
    }
  }
  return Tell(found, to);
}

CUresult Graphs::Dependencies(wire::Handle handle, const EdgeArrays& to) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Node* node = nodes_.Find(handle);
  if (node == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::vector<FoundEdge> found;
  for (const Edge& edge : node->after) {
    found.push_back({.from = edge.from, .data = edge.data});
  }
  return Tell(found, to);
}

CUresult Graphs::Dependents(wire::Handle handle, const EdgeArrays& to) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Node* node = nodes_.Find(handle);
  if (node == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::vector<FoundEdge> found;
  for (const wire::Handle other : graphs_.Find(node->graph)->nodes) {
    for (const Edge& edge : nodes_.Find(other)->after) {
      if (edge.from == handle) {
        found.push_back({.from = other, .data = edge.data});
      }
    }
  }
  return Tell(found, to);
}

// ---- order --------------------------------------------------------------------------------------

CUresult Graphs::Steps(wire::Handle handle, std::vector<Step>* steps) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Graph* graph = graphs_.Find(handle);
  if (graph == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::map<wire::Handle, size_t> missing;  // how many of those before it are not placed yet
  std::map<wire::Handle, std::vector<wire::Handle>> behind;
  std::vector<wire::Handle> ready;
  for (const wire::Handle node : graph->nodes) {
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
    const Node& object = *nodes_.Find(node);
    Step step{.node = node, .command = object.command, .after = {}};
    for (const Edge& edge : object.after) {
      step.after.push_back(places[edge.from]);
    }
    places[node] = static_cast<uint32_t>(steps->size());
    steps->push_back(std::move(step));
    for (const wire::Handle other : behind[node]) {
      if (--missing[other] == 0) {
        ready.push_back(other);
      }
    }
  }
  return steps->size() == graph->nodes.size() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

bool Graphs::AreBehind(const Predecessors& nodes, const Predecessors& of) {
  std::lock_guard<std::mutex> lock(mutex_);
  std::set<wire::Handle> seen;
  std::vector<wire::Handle> open;
  for (const Edge& edge : of) {
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
  return std::all_of(nodes.begin(), nodes.end(),
                     [&seen](const Edge& edge) { return seen.count(edge.from) != 0; });
}

}  // namespace farlane::graph
