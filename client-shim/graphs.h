// SPDX-License-Identifier: Apache-2.0
// Graphs keeps the program's graphs: their nodes, what each node does, and the edges between them.
// All of it lives in the program's process, so that recording and asking need no server. What a
// node does is kept as the message that would do it on a stream.
//
// Lock order: after Captures; nothing is called with the lock held.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "client-shim/object_table.h"
#include "protocol/abi/cuda_abi.h"
#include "protocol/base/bytes.h"

namespace farlane::shim {

class Session;

// What one node does: a message that is posted to a stream when the graph is made ready to run.
// Never changed once made, so graphs share it with their clones and with what runs.
// Thread: immutable.
struct GraphCommand {
  using Replay = void (*)(Session& session,
                          wire::Handle context,
                          wire::Handle stream,
                          ConstBytes message);

  CUgraphNodeType type = CU_GRAPH_NODE_TYPE_EMPTY;
  wire::Handle context = 0;
  std::vector<std::byte> message;
  Replay replay = nullptr;  // null: an empty node
};

using GraphCommandPtr = std::shared_ptr<const GraphCommand>;  // shared as said above

// An edge as the node at its end sees it.
struct GraphEdge {
  wire::Handle from = 0;
  CUgraphEdgeData data{};
};

using GraphEdges = std::vector<GraphEdge>;

struct GraphNode {
  wire::Handle graph = 0;
  GraphCommandPtr command;
  GraphEdges after;
  wire::Handle original = 0;  // of a node that was cloned
};

struct Graph {
  std::vector<wire::Handle> nodes;  // in the order in which they were made
  wire::Handle original = 0;        // of a graph that was cloned
};

// One node of a graph as it was at some moment: `after` names places in the same list.
struct GraphStep {
  wire::Handle node = 0;
  GraphCommandPtr command;
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
struct EdgeList {
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
  CUresult AddNode(wire::Handle graph,
                   GraphCommandPtr command,
                   GraphEdges after,
                   wire::Handle* node);
  CUresult DestroyNode(wire::Handle node);
  CUresult AddEdges(wire::Handle graph, const EdgeList& edges, size_t count);
  CUresult RemoveEdges(wire::Handle graph, const EdgeList& edges, size_t count);

  // Null for a node that nobody has.
  GraphCommandPtr CommandOf(wire::Handle node);
  CUresult SetCommand(wire::Handle node, GraphCommandPtr command);

  CUresult FindInClone(wire::Handle original, wire::Handle clone, wire::Handle* node);
  CUresult Nodes(wire::Handle graph, bool roots_only, CUgraphNode* nodes, size_t* count);
  CUresult Edges(wire::Handle graph, const EdgeArrays& to);
  CUresult Dependencies(wire::Handle node, const EdgeArrays& to);
  CUresult Dependents(wire::Handle node, const EdgeArrays& to);

  // All nodes, each behind those it depends on; nothing if they go in a circle.
  CUresult Steps(wire::Handle graph, std::vector<GraphStep>* steps);
  // Whether all these nodes are in the graph.
  bool Holds(wire::Handle graph, const GraphEdges& nodes);
  // Whether every node of `nodes` is one of `of` or comes before one of them.
  bool AreBehind(const GraphEdges& nodes, const GraphEdges& of);

 private:
  bool HoldsLocked(wire::Handle graph, const GraphEdges& nodes);
  void EraseFrom(Graph* graph, wire::Handle node);

  std::mutex mutex_;  // not Guarded: Knows looks without it
  ObjectTable<Graph> graphs_{wire::HandleKind::kGraph};
  ObjectTable<GraphNode> nodes_{wire::HandleKind::kGraphNode};
};

}  // namespace farlane::shim
