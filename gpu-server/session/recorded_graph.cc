// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/recorded_graph.h"

#include <algorithm>

namespace farlane::server {

RecordedGraph::~RecordedGraph() {
  EndCapture();
  if (exec_ != nullptr) {
    static_cast<void>(driver_.cuGraphExecDestroy(exec_));
  }
  if (graph_ != nullptr) {
    static_cast<void>(driver_.cuGraphDestroy(graph_));
  }
}

void RecordedGraph::EndCapture() {
  if (stream_ == nullptr) {
    return;
  }
  const CUresult ended = driver_.cuStreamEndCapture(stream_, &graph_);
  if (ended != CUDA_SUCCESS) {
    graph_ = nullptr;
    failed_ = failed_ == CUDA_SUCCESS ? ended : failed_;
  }
  static_cast<void>(driver_.cuStreamDestroy_v2(stream_));
  stream_ = nullptr;
}

CUresult RecordedGraph::Begin(CUstream* stream) {
  CUresult result = driver_.cuStreamCreate(&stream_, CU_STREAM_NON_BLOCKING);
  if (result != CUDA_SUCCESS) {
    stream_ = nullptr;
    return result;
  }
  result = driver_.cuStreamBeginCapture_v2(stream_, CU_STREAM_CAPTURE_MODE_RELAXED);
  if (result != CUDA_SUCCESS) {
    static_cast<void>(driver_.cuStreamDestroy_v2(stream_));
    stream_ = nullptr;
    return result;
  }
  *stream = stream_;
  return CUDA_SUCCESS;
}

// What the stream's next node would depend on.
CUresult RecordedGraph::Look(CUgraph* graph, std::vector<CUgraphNode>* tail) {
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  cuuint64_t id = 0;
  const CUgraphNode* nodes = nullptr;
  const CUgraphEdgeData* edges = nullptr;
  size_t count = 0;
  CUresult result =
      driver_.cuStreamGetCaptureInfo_v3(stream_, &status, &id, graph, &nodes, &edges, &count);
  if (result == CUDA_ERROR_NOT_FOUND) {
    // Drivers before 12.3 know plain edges only.
    result = driver_.cuStreamGetCaptureInfo_v2(stream_, &status, &id, graph, &nodes, &count);
  }
  if (result == CUDA_SUCCESS && status != CU_STREAM_CAPTURE_STATUS_ACTIVE) {
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  }
  if (result == CUDA_SUCCESS) {
    tail->assign(nodes, nodes + count);
  }
  return result;
}

// What was posted since Next is a node of the graph by now.
CUresult RecordedGraph::TakeLast() {
  if (!awaits_node_) {
    return CUDA_SUCCESS;
  }
  awaits_node_ = false;
  CUgraph graph = nullptr;
  std::vector<CUgraphNode> tail;
  const CUresult result = Look(&graph, &tail);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  const bool is_new =
      tail.size() == 1 && std::find(nodes_.begin(), nodes_.end(), tail[0]) == nodes_.end();
  if (!is_new) {
    return CUDA_ERROR_INVALID_VALUE;  // what should be a node was refused
  }
  nodes_.push_back(tail[0]);
  return CUDA_SUCCESS;
}

CUresult RecordedGraph::Next(std::span<const uint32_t> after, bool empty) {
  if (failed_ != CUDA_SUCCESS) {
    return CUDA_SUCCESS;  // End tells it
  }
  failed_ = TakeLast();
  if (failed_ != CUDA_SUCCESS) {
    return CUDA_SUCCESS;
  }
  std::vector<CUgraphNode> before;
  for (const uint32_t place : after) {
    if (place >= nodes_.size()) {
      return failed_ = CUDA_ERROR_INVALID_VALUE;
    }
    before.push_back(nodes_[place]);
  }
  if (empty) {
    CUgraph graph = nullptr;
    std::vector<CUgraphNode> tail;
    CUgraphNode node = nullptr;
    failed_ = Look(&graph, &tail);
    if (failed_ == CUDA_SUCCESS) {
      failed_ = driver_.cuGraphAddEmptyNode(&node, graph, before.data(), before.size());
    }
    nodes_.push_back(node);
    before.assign(1, node);
  }
  if (failed_ == CUDA_SUCCESS) {
    failed_ = driver_.cuStreamUpdateCaptureDependencies(stream_, before.data(), before.size(),
                                                        CU_STREAM_SET_CAPTURE_DEPENDENCIES);
  }
  awaits_node_ = !empty;
  return CUDA_SUCCESS;
}

CUresult RecordedGraph::End(uint64_t flags) {
  if (failed_ == CUDA_SUCCESS) {
    failed_ = TakeLast();
  }
  EndCapture();
  if (failed_ != CUDA_SUCCESS) {
    return failed_;
  }
  const CUresult result = driver_.cuGraphInstantiateWithFlags(&exec_, graph_, flags);
  if (result != CUDA_SUCCESS) {
    exec_ = nullptr;
  }
  return result;
}

CUresult RecordedGraph::Update(const RecordedGraph& from,
                               CUgraphExecUpdateResult* result,
                               int32_t* place) {
  CUgraphExecUpdateResultInfo info{};
  const CUresult updated = driver_.cuGraphExecUpdate_v2(exec_, from.graph_, &info);
  *result = info.result;
  *place = -1;
  if (updated == CUDA_SUCCESS) {
    // What ran before may still be running, so it is kept as well.
    kept_.insert(kept_.end(), from.kept_.begin(), from.kept_.end());
  }
  const auto found = std::find(from.nodes_.begin(), from.nodes_.end(), info.errorNode);
  if (info.errorNode != nullptr && found != from.nodes_.end()) {
    *place = static_cast<int32_t>(found - from.nodes_.begin());
  }
  return updated == CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE ? CUDA_SUCCESS : updated;
}

}  // namespace farlane::server
