// SPDX-License-Identifier: Apache-2.0
// RecordedGraph is one graph of the client in the driver. The driver itself records it: the client
// posts what the nodes do to a stream that is captured for nothing else, with the dependencies of
// each node said before it. So every kind of work that can be posted can be a node, and is proved
// by the same code. The capture is of the relaxed mode, which forbids nothing to anybody.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "gpu-server/session/context_state.h"
#include "gpu-server/session/graph_home.h"

namespace farlane::server {

// Thread: the dispatch thread.
class RecordedGraph {
 public:
  // `home_or_null`: where it is recorded; else the driver makes a graph for it.
  RecordedGraph(const DriverTable& driver, ContextPtr context, GraphHomePtr home_or_null)
      : driver_(driver), context_(std::move(context)), home_(std::move(home_or_null)) {}

  RecordedGraph(const RecordedGraph&) = delete;
  RecordedGraph& operator=(const RecordedGraph&) = delete;
  ~RecordedGraph();

  // Makes the stream that records.
  CUresult Begin(CUstream* stream);
  // What is posted next depends on these nodes, by the order of their making. A node that is
  // `empty` is made at once.
  CUresult Next(std::span<const uint32_t> after, bool empty);

  // The same for a conditional node, which is made at once.
  CUresult NextConditional(std::span<const uint32_t> after, const ConditionalNode& wanted);
  // What comes next is in one of the bodies of the conditional node that was made last, and posted
  // to another stream.
  CUresult BeginBody(uint32_t body, CUstream* stream);
  // Back to where the node of the body is.
  CUresult EndBody();

  // What was posted for the node after Next has failed: End tells it.
  void Refuse(CUresult result) { failed_ = failed_ == CUDA_SUCCESS ? result : failed_; }

  // Nothing more is recorded, and the stream is gone. May be repeated.
  void EndCapture();
  // Makes the graph ready to run. The stream is gone after it.
  CUresult End(uint64_t flags);

  // Takes the parameters of a graph of the same shape. `place`: the node that does not fit, or -1.
  CUresult Update(const RecordedGraph& from, CUgraphExecUpdateResult* result, int32_t* place);

  // Something that must be there for as long as the graph may run.
  void Keep(std::shared_ptr<const void> kept) { kept_.push_back(std::move(kept)); }

  // Whether the graph uses memory of this process while it runs.
  bool keeps_any() const { return !kept_.empty(); }

  // Null while it is recorded.
  CUgraphExec exec() const { return exec_; }

  // Whether this is a stream of its recording.
  bool RecordsOn(CUstream stream) const;

  // Whether there is more to come.
  bool is_recorded() const { return !parts_.empty(); }

  // Whether this is the one of what comes next.
  bool RecordsNow(CUstream stream) const {
    return !parts_.empty() && parts_.back().stream == stream;
  }

  // Whether that is in a body.
  bool is_in_body() const { return parts_.size() > 1; }

  const ContextPtr& context() const { return context_; }

  // The context that it was made in is about to end, and has left it to another.
  void HandOver(ContextPtr to) { context_ = std::move(to); }

 private:
  // The graph that is recorded, or one of its bodies.
  struct Part {
    CUstream stream = nullptr;
    bool is_lost = false;      // what comes is recorded, and nobody gets it
    bool awaits_node = false;  // Next has said where a node goes that is not there yet
    std::vector<CUgraphNode> nodes;
    const CUgraph* bodies = nullptr;  // of the conditional node that was made last
    uint32_t bodies_count = 0;
  };

  // More bodies within bodies than any driver allows.
  static constexpr size_t kPartsMax = 64;

  // Makes a stream that records into a graph, or into a new one for null.
  CUresult BeginPart(CUgraph graph_or_null);
  CUresult EndPart(CUgraph* graph);
  CUresult Look(CUgraph* graph, std::vector<CUgraphNode>* tail);
  CUresult TakeLast();
  // The nodes at these places; false if there is none at one of them.
  bool NodesAt(std::span<const uint32_t> places, std::vector<CUgraphNode>* nodes) const;
  // What is posted next comes behind these.
  CUresult SetTail(std::vector<CUgraphNode> nodes);

  const DriverTable& driver_;
  ContextPtr context_;
  const GraphHomePtr home_;
  std::vector<Part> parts_;  // the last one is recorded now; none when all is over
  CUgraph graph_ = nullptr;  // its own, or its home's
  CUgraphExec exec_ = nullptr;
  CUresult failed_ = CUDA_SUCCESS;  // the first failure of the recording
  std::vector<CUgraphNode> nodes_;  // of the graph itself, when all is over
  std::vector<std::shared_ptr<const void>>
      kept_;  // shared with graphs that took parameters from this one
};

using GraphPtr = std::shared_ptr<RecordedGraph>;

}  // namespace farlane::server
