// SPDX-License-Identifier: Apache-2.0
// Graphs keeps a program's graphs as any libcuda has to: their nodes, the edges between them, and
// for each node a command that only its maker understands. All of it lives in the program's
// process, so that recording and asking need nobody else.
//
// Lock order: after Captures; nothing is called with the lock held.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/bytes.h"
#include "protocol/wire/object_table.h"

namespace farlane::graph {

// What one node does; whoever makes commands derives from this and knows what they are. Never
// changed once made, so graphs share it with their clones and with what runs.
// Thread: immutable.
struct Command {
  explicit Command(CUgraphNodeType of) : type(of) {}

  virtual ~Command() = default;

  const CUgraphNodeType type;
};

using CommandPtr = std::shared_ptr<const Command>;  // shared as said above

// An edge as the node at its end sees it.
struct Edge {
  wire::Handle from = 0;
  CUgraphEdgeData data{};
};

using Predecessors = std::vector<Edge>;

struct Node {
  wire::Handle graph = 0;
  CommandPtr command;
  Predecessors after;
  wire::Handle original = 0;  // of a node that was cloned
};

struct Graph {
  std::vector<wire::Handle> nodes;  // in the order in which they were made
  wire::Handle original = 0;        // of a graph that was cloned
};

// One node of a graph as it was at some moment: `after` names places in the same list.
struct Step {
  wire::Handle node = 0;
  CommandPtr command;
  std::vector<uint32_t> after;
};

// Where a question about several nodes or edges puts its answer; arrays may be null.
struct EdgeArrays {
  CUgraphNode* from = nullptr;
  CUgraphNode* to = nullptr;
  CUgraphEdgeData* data = nullptr;
  size_t* count = nullptr;
};

// Edges as a program passes them; `data` may be null.
struct EdgeArgument {
  const CUgraphNode* from = nullptr;
  const CUgraphNode* to = nullptr;
  const CUgraphEdgeData* data = nullptr;
};

// Thread: any, guarded.
class Graphs {
 public:
  wire::Handle Create();
  CUresult Destroy(wire::Handle graph);
  CUresult Clone(wire::Handle graph, wire::Handle* clone);

  bool Knows(wire::Handle graph) { return graphs_.Find(graph) != nullptr; }

  // Every node of `after` must be in the graph.
  CUresult AddNode(wire::Handle graph, CommandPtr command, Predecessors after, wire::Handle* node);
  CUresult DestroyNode(wire::Handle node);
  CUresult AddEdges(wire::Handle graph, const EdgeArgument& edges, size_t count);
  CUresult RemoveEdges(wire::Handle graph, const EdgeArgument& edges, size_t count);

  // Null for a node that nobody has.
  CommandPtr CommandOf(wire::Handle node);
  CUresult SetCommand(wire::Handle node, CommandPtr command);

  CUresult FindInClone(wire::Handle original, wire::Handle clone, wire::Handle* node);
  CUresult Nodes(wire::Handle graph, bool roots_only, CUgraphNode* nodes, size_t* count);
  CUresult Edges(wire::Handle graph, const EdgeArrays& to);
  CUresult Dependencies(wire::Handle node, const EdgeArrays& to);
  CUresult Dependents(wire::Handle node, const EdgeArrays& to);

  // All nodes, each behind those it depends on; nothing if they go in a circle.
  CUresult Steps(wire::Handle graph, std::vector<Step>* steps);
  // Whether all these nodes are in the graph.
  bool Holds(wire::Handle graph, const Predecessors& nodes);
  // Whether every node of `nodes` is one of `of` or comes before one of them.
  bool AreBehind(const Predecessors& nodes, const Predecessors& of);

 private:
  bool HoldsLocked(wire::Handle graph, const Predecessors& nodes);
  void EraseFrom(Graph* graph, wire::Handle node);

  std::mutex mutex_;  // not Guarded: Knows looks without it
  wire::ObjectTable<Graph> graphs_{wire::HandleKind::kGraph};
  wire::ObjectTable<Node> nodes_{wire::HandleKind::kGraphNode};
};

}  // namespace farlane::graph
