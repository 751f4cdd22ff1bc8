// SPDX-License-Identifier: Apache-2.0
#include "protocol/graph/graphs.h"

#include <algorithm>
#include <climits>
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

bool HasTwins(const Predecessors& after) {
  std::set<wire::Handle> seen;
  return !std::all_of(after.begin(), after.end(),
                      [&seen](const Edge& edge) { return seen.insert(edge.from).second; });
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

bool Graphs::HasMemory(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [this](wire::Handle handle) {
    const CUgraphNodeType type = nodes_.Find(handle)->command->type;
    return type == CU_GRAPH_NODE_TYPE_MEM_ALLOC || type == CU_GRAPH_NODE_TYPE_MEM_FREE;
  });
}

void Graphs::DropNode(wire::Handle handle, Gone* gone) {
  Node* node = nodes_.Find(handle);
  if (node->child != 0) {
    DestroyLocked(node->child, gone);
  }
  for (const CUgraph body : node->bodies) {
    DestroyLocked(ToWire(body), gone);
  }
  std::erase_if(conditions_, [handle](const auto& one) { return one.second.node == handle; });
  gone->commands.push_back(std::move(node->command));
  *node = Node{};
  nodes_.Retire(handle);
}

void Graphs::DestroyLocked(wire::Handle handle, Gone* gone) {
  Graph* graph = graphs_.Find(handle);
  for (const wire::Handle node : graph->nodes) {
    DropNode(node, gone);
  }
  std::erase_if(conditions_, [handle](const auto& one) { return one.second.graph == handle; });
  gone->graphs.push_back(std::move(*graph));
  *graph = Graph{};
  graphs_.Retire(handle);
}

CUresult Graphs::Destroy(wire::Handle handle) {
  Gone gone;  // ends after the lock
  std::lock_guard<std::mutex> lock(mutex_);
  const Graph* graph = graphs_.Find(handle);
  if (graph == nullptr || graph->owner != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  DestroyLocked(handle, &gone);
  return CUDA_SUCCESS;
}

CUresult Graphs::Clone(wire::Handle handle, wire::Handle* clone) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Graph* graph = graphs_.Find(handle);
  if (graph == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (HasMemory(*graph) || HasConditions(handle)) {
    return CUDA_ERROR_NOT_SUPPORTED;  // there is one of its memory, and one of each condition
  }
  *clone = CloneLocked(handle, 0);
  return *clone == 0 ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

// 0 when there are too many graphs.
wire::Handle Graphs::CloneLocked(wire::Handle handle, wire::Handle owner) {
  const Graph& graph = *graphs_.Find(handle);
  const wire::Handle clone = graphs_.Mint(
      Graph{.nodes = {}, .original = handle, .owner = owner, .objects = graph.objects});
  Graph* made = graphs_.Find(clone);
  if (made == nullptr) {
    return 0;
  }
  std::map<wire::Handle, wire::Handle> twins;
  for (const wire::Handle node : graph.nodes) {
    Node copy = *nodes_.Find(node);
    const wire::Handle child = copy.child;
    copy.graph = clone;
    copy.original = node;
    const wire::Handle twin = nodes_.Mint(std::move(copy));
    made->nodes.push_back(twin);
    twins[node] = twin;
    if (child != 0) {
      nodes_.Find(twin)->child = CloneLocked(child, twin);
    }
  }
  for (const wire::Handle node : made->nodes) {
    for (Edge& edge : nodes_.Find(node)->after) {
      edge.from = twins[edge.from];
    }
  }
  return clone;
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
  // A copy: one that nobody wants ends after the lock, with the argument.
  return AddLocked(handle, command, std::move(after), node);
}

CUresult Graphs::AddLocked(wire::Handle handle,
                           CommandPtr command,
                           Predecessors after,
                           wire::Handle* node) {
  Graph* graph = graphs_.Find(handle);
  if (graph == nullptr || !HoldsLocked(handle, after) || HasTwins(after)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *node = nodes_.Mint(Node{.graph = handle,
                           .command = std::move(command),
                           .after = std::move(after),
                           .original = 0,
                           .child = 0,
                           .bodies = {}});
  if (*node == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  graph->nodes.push_back(*node);
  return CUDA_SUCCESS;
}

// Whether a graph is another one, or part of it.
bool Graphs::IsInside(wire::Handle graph, wire::Handle outer) {
  while (graph != outer) {
    const Node* owner = nodes_.Find(graphs_.Find(graph)->owner);
    if (owner == nullptr) {
      return false;
    }
    graph = owner->graph;
  }
  return true;
}

CUresult Graphs::AddChild(wire::Handle handle,
                          CommandPtr command,
                          Predecessors after,
                          const ChildUse& child,
                          wire::Handle* node) {
  std::lock_guard<std::mutex> lock(mutex_);
  Graph* inner = graphs_.Find(child.graph);
  if (graphs_.Find(handle) == nullptr || inner == nullptr ||
      (child.moved && (inner->owner != 0 || IsInside(handle, child.graph)))) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if ((!child.moved && HasMemory(*inner)) || HasConditions(child.graph)) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  const CUresult result = AddLocked(handle, command, std::move(after), node);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  if (child.moved) {
    inner->owner = *node;
  }
  nodes_.Find(*node)->child = child.moved ? child.graph : CloneLocked(child.graph, *node);
  return CUDA_SUCCESS;
}

CUresult Graphs::ChildOf(wire::Handle handle, wire::Handle* graph) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Node* node = nodes_.Find(handle);
  if (node == nullptr || node->child == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *graph = node->child;
  return CUDA_SUCCESS;
}

void Graphs::EraseFrom(Graph* graph, wire::Handle gone) {
  std::erase(graph->nodes, gone);
  for (const wire::Handle node : graph->nodes) {
    std::erase_if(nodes_.Find(node)->after, [gone](const Edge& edge) { return edge.from == gone; });
  }
}

CUresult Graphs::DestroyNode(wire::Handle handle) {
  Gone gone;  // ends after the lock
  std::lock_guard<std::mutex> lock(mutex_);
  const Node* node = nodes_.Find(handle);
  if (node == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  Graph* graph = graphs_.Find(node->graph);
  if (HasMemory(*graph)) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  EraseFrom(graph, handle);
  DropNode(handle, &gone);
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
  const Graph* found = graphs_.Find(graph);
  if (found == nullptr || (count != 0 && (edges.from == nullptr || edges.to == nullptr))) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (count != 0 && HasMemory(*found)) {
    return CUDA_ERROR_NOT_SUPPORTED;
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
  std::swap(found->command, command);  // the old one ends after the lock, with the argument
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

// ---- user objects -------------------------------------------------------------------------------

CUresult Graphs::RetainObject(wire::Handle handle,
                              const UserObjectPtr& object,
                              unsigned int count,
                              unsigned int flags) {
  std::lock_guard<std::mutex> lock(mutex_);
  Graph* graph = graphs_.Find(handle);
  if (graph == nullptr || object == nullptr || count == 0 || count > INT_MAX ||
      (flags & ~unsigned{CU_GRAPH_USER_OBJECT_MOVE}) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (flags == 0) {
    object->Retain(count);
  }
  ObjectHold hold(object, count);
  const auto found = graph->objects.find(object->number());
  if (found == graph->objects.end()) {
    graph->objects.emplace(object->number(), std::move(hold));
  } else {
    hold.Part(count, &found->second);
  }
  return CUDA_SUCCESS;
}

CUresult Graphs::ReleaseObject(wire::Handle handle,
                               const UserObjectPtr& object,
                               unsigned int count) {
  if (object == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  ObjectHold dropped(object, 0);  // ends after the lock
  std::lock_guard<std::mutex> lock(mutex_);
  Graph* graph = graphs_.Find(handle);
  if (graph == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto found = graph->objects.find(object->number());
  if (found == graph->objects.end() || count == 0 || count > found->second.count()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  found->second.Part(count, &dropped);
  if (found->second.count() == 0) {
    graph->objects.erase(found);
  }
  return CUDA_SUCCESS;
}

ObjectHolds Graphs::ObjectsOf(wire::Handle handle) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Graph* graph = graphs_.Find(handle);
  return graph == nullptr ? ObjectHolds{} : graph->objects;
}

}  // namespace farlane::graph
