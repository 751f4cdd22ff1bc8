// SPDX-License-Identifier: Apache-2.0
// Graphs keeps a program's graphs as any libcuda has to: their nodes, the edges between them, and
// for each node a command that only its maker understands. All of it lives in the program's
// process, so that recording and asking need nobody else.
//
// Lock order: after Captures; nothing is called with the lock held.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/bytes.h"
#include "protocol/graph/node_params.h"
#include "protocol/graph/user_objects.h"
#include "protocol/wire/object_table.h"

namespace farlane::graph {

class GraphBlock;
using GraphBlockPtr = std::shared_ptr<GraphBlock>;  // shared by nodes, execs, and what is in use

// What one node does; whoever makes commands derives from this and knows what they are. Never
// changed once made, so graphs share it with their clones and with what runs.
// Thread: immutable.
struct Command {
  explicit Command(CUgraphNodeType of) : type(of) {}

  virtual ~Command() = default;

  const CUgraphNodeType type;
  NodeParamsPtr params;  // what the program said, or what a recorded call amounts to; may be null
  GraphBlockPtr block;   // of a node that allocates or frees memory
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
  wire::Handle original = 0;    // of a node that was cloned
  wire::Handle child = 0;       // the graph that the node owns, of a child graph node
  std::vector<CUgraph> bodies;  // the graphs that it owns, of a conditional node
};

// The value by which a conditional node chooses, as the program has made it.
struct Condition {
  uint64_t number = 0;       // by which kernels know it
  wire::Handle context = 0;  // whose kernels may set it
  uint32_t value = 0;        // that it has when a launch begins, if the flags say so
  uint32_t flags = 0;        // CU_GRAPH_COND_ASSIGN_DEFAULT, or none
};

struct Graph {
  std::vector<wire::Handle> nodes;  // in the order in which they were made
  wire::Handle original = 0;        // of a graph that was cloned
  wire::Handle owner = 0;           // the node that it is part of; 0: the program's own
  ObjectHolds objects;
};

// One node of a graph as it was at some moment: `after` names places in the same list. The nodes of
// a child graph stand before their node, which then does nothing but come after them.
struct Step {
  wire::Handle node = 0;
  CommandPtr command;
  std::vector<uint32_t> after;
  uint32_t inside = 0;  // of a child graph's node: so many steps right before it are in it
  bool enabled = true;
  Condition condition{};                    // of a conditional node
  std::vector<std::vector<Step>> bodies{};  // its bodies, whose places are their own
};

// Where a question about several nodes or edges puts its answer; arrays may be null.
struct EdgeArrays {
  CUgraphNode* from = nullptr;
  CUgraphNode* to = nullptr;
  CUgraphEdgeData* data = nullptr;
  size_t* count = nullptr;
};

// A graph as a picture of it needs it.
struct GraphPicture {
  struct Item {
    wire::Handle node = 0;
    CommandPtr command;
    Predecessors after;
    wire::Handle child = 0;
    std::vector<CUgraph> bodies;
  };

  wire::Handle graph = 0;
  std::vector<Item> items;
};

// Edges as a program passes them; `data` may be null.
struct EdgeArgument {
  const CUgraphNode* from = nullptr;
  const CUgraphNode* to = nullptr;
  const CUgraphEdgeData* data = nullptr;
};

// How often a graph allocates a piece of memory, and frees it.
struct MemoryNodes {
  size_t allocating = 0;
  size_t freeing = 0;
};

// The graph that a child graph node is made of.
struct ChildUse {
  wire::Handle graph = 0;
  bool moved = false;
};

// Thread: any, guarded.
class Graphs {
 public:
  // `server`: of a program with several, the one whose graphs these are.
  explicit Graphs(uint32_t server = 0)
      : graphs_(wire::HandleKind::kGraph, server), nodes_(wire::HandleKind::kGraphNode, server) {}

  wire::Handle Create();
  CUresult Destroy(wire::Handle graph);
  CUresult Clone(wire::Handle graph, wire::Handle* clone);

  bool Knows(wire::Handle graph) { return graphs_.Find(graph) != nullptr; }

  // Every node of `after` must be in the graph, and each only once.
  CUresult AddNode(wire::Handle graph, CommandPtr command, Predecessors after, wire::Handle* node);
  // The same for a node that is a graph: a copy of `child`, or that graph itself if it is `moved`.
  CUresult AddChild(wire::Handle graph,
                    CommandPtr command,
                    Predecessors after,
                    const ChildUse& child,
                    wire::Handle* node);
  // The same for a node that runs bodies, which it gets with it, as its condition says.
  CUresult AddConditional(wire::Handle graph,
                          CommandPtr command,
                          Predecessors after,
                          const CUDA_CONDITIONAL_NODE_PARAMS& params,
                          wire::Handle* node);
  // The bodies of a conditional node, for as long as that is there; null for any other.
  CUgraph* BodiesOf(wire::Handle node);
  CUresult DestroyNode(wire::Handle node);
  CUresult AddEdges(wire::Handle graph, const EdgeArgument& edges, size_t count);
  CUresult RemoveEdges(wire::Handle graph, const EdgeArgument& edges, size_t count);

  // Null for a node that nobody has.
  CommandPtr CommandOf(wire::Handle node);
  CUresult SetCommand(wire::Handle node, CommandPtr command);
  CUresult ChildOf(wire::Handle node, wire::Handle* graph);

  // A condition for one node of the graph, or of a body somewhere in it; its number is new.
  CUresult AddCondition(wire::Handle graph, const Condition& condition);
  // The graph that this one is a part of, or itself; 0 for one that nobody has.
  wire::Handle Outermost(wire::Handle graph);
  // Whether there are conditions that no node uses: then it cannot be made ready.
  bool HasIdleConditions(wire::Handle graph);

  // User objects that live as long as the graph; null is none, and refused. `flags`:
  // CU_GRAPH_USER_OBJECT_MOVE, or 0 if the program keeps its own holds as well.
  CUresult RetainObject(wire::Handle graph,
                        const UserObjectPtr& object,
                        unsigned int count,
                        unsigned int flags);
  CUresult ReleaseObject(wire::Handle graph, const UserObjectPtr& object, unsigned int count);
  ObjectHolds ObjectsOf(wire::Handle graph);

  CUresult FindInClone(wire::Handle original, wire::Handle clone, wire::Handle* node);
  CUresult Nodes(wire::Handle graph, bool roots_only, CUgraphNode* nodes, size_t* count);
  CUresult Edges(wire::Handle graph, const EdgeArrays& to);
  CUresult Dependencies(wire::Handle node, const EdgeArrays& to);
  CUresult Dependents(wire::Handle node, const EdgeArrays& to);

  // All nodes, those of child graphs too, each behind those it depends on. CUDA_ERROR_INVALID_VALUE
  // if they go in a circle, or a condition has no node; CUDA_ERROR_NOT_SUPPORTED for a body with
  // nodes that no body may have.
  CUresult Steps(wire::Handle graph, std::vector<Step>* steps);
  // The nodes and edges of a graph and of those inside it, for people.
  std::vector<GraphPicture> Picture(wire::Handle graph);
  // Nodes that free memory before whatever comes behind `after` begins.
  std::vector<Step> FreeingBefore(wire::Handle graph, const Predecessors& after);
  MemoryNodes MemoryNodesOf(wire::Handle graph, const GraphBlockPtr& block);
  // Whether all these nodes are in the graph.
  bool Holds(wire::Handle graph, const Predecessors& nodes);
  // Whether every node of `nodes` is one of `of` or comes before one of them.
  bool AreBehind(const Predecessors& nodes, const Predecessors& of);

 private:
  bool HoldsLocked(wire::Handle graph, const Predecessors& nodes);
  // Whether the graph has memory of its own, of which there can be only one.
  bool HasMemory(const Graph& graph);
  // The same of conditions, which kernels know by their numbers.
  bool HasConditions(wire::Handle graph);
  bool IsPartOfChild(wire::Handle graph);
  CUresult CheckConditional(wire::Handle graph, const CUDA_CONDITIONAL_NODE_PARAMS& params);
  wire::Handle CloneLocked(wire::Handle graph, wire::Handle owner);
  CUresult AddLocked(wire::Handle graph,
                     CommandPtr command,
                     Predecessors after,
                     wire::Handle* node);

  // What ends with the program's things does so when the lock is let go.
  struct Gone {
    std::vector<Graph> graphs;
    std::vector<CommandPtr> commands;
  };

  void DestroyLocked(wire::Handle graph, Gone* gone);
  void DropNode(wire::Handle node, Gone* gone);
  std::set<wire::Handle> Behind(const Predecessors& nodes);
  bool IsInside(wire::Handle graph, wire::Handle outer);
  bool StepsLocked(wire::Handle graph,
                   const std::vector<uint32_t>& before,
                   std::vector<Step>* steps);
  bool PlaceNode(wire::Handle node, const std::vector<uint32_t>& after, std::vector<Step>* steps);
  void EraseFrom(Graph* graph, wire::Handle node);

  struct OwnedCondition {
    wire::Handle graph = 0;
    wire::Handle node = 0;  // that it is for; 0: none yet
    Condition condition;
  };

  std::mutex mutex_;  // not Guarded: Knows looks without it. What user objects do when they end is
                      // done without it
  wire::ObjectTable<Graph> graphs_;
  wire::ObjectTable<Node> nodes_;
  std::map<uint64_t, OwnedCondition> conditions_;  // by number
};

}  // namespace farlane::graph
