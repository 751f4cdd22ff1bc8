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

namespace farlane::server {

// Thread: the dispatch thread.
class RecordedGraph {
 public:
  RecordedGraph(const DriverTable& driver, ContextPtr context)
      : driver_(driver), context_(std::move(context)) {}

  RecordedGraph(const RecordedGraph&) = delete;
  RecordedGraph& operator=(const RecordedGraph&) = delete;
  ~RecordedGraph();

  // Makes the stream that records.
  CUresult Begin(CUstream* stream);
  // What is posted next depends on these nodes, by the order of their making. A node that is
  // `empty` is made at once.
  CUresult Next(std::span<const uint32_t> after, bool empty);

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

  // Whether this is the stream of its recording.
  bool RecordsOn(CUstream stream) const { return stream != nullptr && stream == stream_; }

  const ContextPtr& context() const { return context_; }

 private:
  CUresult Look(CUgraph* graph, std::vector<CUgraphNode>* tail);
  CUresult TakeLast();

  const DriverTable& driver_;
  const ContextPtr context_;
  CUstream stream_ = nullptr;
  CUgraph graph_ = nullptr;
  CUgraphExec exec_ = nullptr;
  CUresult failed_ = CUDA_SUCCESS;  // the first failure of the recording
  bool awaits_node_ = false;        // Next has said where a node goes that is not there yet
  std::vector<CUgraphNode> nodes_;
  std::vector<std::shared_ptr<const void>>
      kept_;  // shared with graphs that took parameters from this one
};

using GraphPtr = std::shared_ptr<RecordedGraph>;

}  // namespace farlane::server
