// SPDX-License-Identifier: Apache-2.0
// GraphHome is a graph of the driver's in which a graph of the client's is recorded, each time
// anew. A graph with conditions needs one that stays: kernels are given the driver's own number of
// a condition, and that belongs to a graph. The conditional nodes stay as well, since a driver
// binds a condition to its node; everything else, their edges too, is taken out before each
// recording.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "gpu-server/driver/driver_table.h"

namespace farlane::server {

// What a conditional node is to be.
struct ConditionalNode {
  uint64_t condition = 0;
  CUgraphConditionalNodeType type = CU_GRAPH_COND_TYPE_IF;
  uint32_t bodies = 0;
};

// Thread: the dispatch thread.
class GraphHome {
 public:
  explicit GraphHome(const DriverTable& driver) : driver_(driver) {}

  GraphHome(const GraphHome&) = delete;
  GraphHome& operator=(const GraphHome&) = delete;
  ~GraphHome();

  CUresult Create() { return driver_.cuGraphCreate(&graph_, 0); }

  CUgraph graph() const { return graph_; }

  CUresult AddCondition(CUcontext context, uint32_t value, uint32_t flags, uint64_t* number);

  // Before a recording: nothing is left but conditional nodes. CUDA_ERROR_ILLEGAL_STATE while
  // another one is not over.
  CUresult Open();

  // After it.
  void Close() { is_open_ = false; }

  // A conditional node behind others, in the graph or in one of its bodies. `bodies` is valid for
  // as long as the node is there.
  CUresult Place(const ConditionalNode& wanted,
                 CUgraph graph,
                 const std::vector<CUgraphNode>& after,
                 CUgraphNode* node,
                 const CUgraph** bodies);
  // At its end: conditional nodes that are not part of it any more are taken out.
  CUresult DropUnplaced();

 private:
  struct Condition {
    CUcontext context = nullptr;
    CUgraph graph = nullptr;  // in which its node is
    CUgraphNode node = nullptr;
    CUgraph* bodies = nullptr;  // the driver's array
    ConditionalNode shape;
    bool placed = false;
  };

  CUresult ClearOne(CUgraph graph);
  void ForgetIn(CUgraph graph);

  const DriverTable& driver_;
  CUgraph graph_ = nullptr;
  bool is_open_ = false;  // something is recorded in it
  std::map<uint64_t, Condition> conditions_;
};

using GraphHomePtr = std::shared_ptr<GraphHome>;  // shared with what was made ready in it

}  // namespace farlane::server
