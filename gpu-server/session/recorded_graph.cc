// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/recorded_graph.h"

#include <algorithm>

namespace farlane::server {

RecordedGraph::~RecordedGraph() {
  EndCapture();
  if (exec_ != nullptr) {
    static_cast<void>(driver_.cuGraphExecDestroy(exec_));
  }
  if (graph_ != nullptr && home_ == nullptr) {
    static_cast<void>(driver_.cuGraphDestroy(graph_));
  }
}

bool RecordedGraph::RecordsOn(CUstream stream) const {
  return stream != nullptr && std::any_of(parts_.begin(), parts_.end(), [stream](const Part& part) {
           return part.stream == stream;
         });
}

CUresult RecordedGraph::BeginPart(CUgraph graph_or_null) {
  CUstream stream = nullptr;
  CUresult result = driver_.cuStreamCreateWithPriority(&stream, CU_STREAM_NON_BLOCKING, 0);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  result = graph_or_null == nullptr
               ? driver_.cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_RELAXED)
               : driver_.cuStreamBeginCaptureToGraph(stream, graph_or_null, nullptr, nullptr, 0,
                                                     CU_STREAM_CAPTURE_MODE_RELAXED);
  if (result != CUDA_SUCCESS) {
    static_cast<void>(driver_.cuStreamDestroy_v2(stream));
    return result;
  }
  parts_.push_back(Part{.stream = stream, .nodes = {}});
  return CUDA_SUCCESS;
}

CUresult RecordedGraph::EndPart(CUgraph* graph) {
  const CUstream stream = parts_.back().stream;
  const CUresult result = driver_.cuStreamEndCapture(stream, graph);
  if (result != CUDA_SUCCESS) {
    *graph = nullptr;
  }
  static_cast<void>(driver_.cuStreamDestroy_v2(stream));
  return result;
}

void RecordedGraph::EndCapture() {
  if (is_in_body()) {
    Refuse(CUDA_ERROR_INVALID_VALUE);  // whoever ends it forgot the body
  }
  while (is_in_body()) {
    static_cast<void>(EndBody());
  }
  if (parts_.empty()) {
    return;
  }
  Refuse(EndPart(&graph_));
  nodes_ = std::move(parts_.back().nodes);
  parts_.clear();
  if (home_ != nullptr) {
    home_->Close();
  }
}

CUresult RecordedGraph::Begin(CUstream* stream) {
  CUresult result = home_ == nullptr ? CUDA_SUCCESS : home_->Open();
  if (result != CUDA_SUCCESS) {
    return result;
  }
  result = BeginPart(home_ == nullptr ? nullptr : home_->graph());
  if (result == CUDA_SUCCESS) {
    *stream = parts_.back().stream;
  } else if (home_ != nullptr) {
    home_->Close();
  }
  return result;
}

// What the stream's next node would depend on.
CUresult RecordedGraph::Look(CUgraph* graph, std::vector<CUgraphNode>* tail) {
  const CUstream stream = parts_.back().stream;
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  cuuint64_t id = 0;
  const CUgraphNode* nodes = nullptr;
  const CUgraphEdgeData* edges = nullptr;
  size_t count = 0;
  CUresult result =
      driver_.cuStreamGetCaptureInfo_v3(stream, &status, &id, graph, &nodes, &edges, &count);
  if (result == CUDA_ERROR_NOT_FOUND) {
    // Drivers before 12.3 know plain edges only.
    result = driver_.cuStreamGetCaptureInfo_v2(stream, &status, &id, graph, &nodes, &count);
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
  Part& part = parts_.back();
  if (!part.awaits_node) {
    return CUDA_SUCCESS;
  }
  part.awaits_node = false;
  CUgraph graph = nullptr;
  std::vector<CUgraphNode> tail;
  const CUresult result = Look(&graph, &tail);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  const bool is_new = tail.size() == 1 &&
                      std::find(part.nodes.begin(), part.nodes.end(), tail[0]) == part.nodes.end();
  if (!is_new) {
    return CUDA_ERROR_INVALID_VALUE;  // what should be a node was refused
  }
  part.nodes.push_back(tail[0]);
  return CUDA_SUCCESS;
}

bool RecordedGraph::NodesAt(std::span<const uint32_t> places,
                            std::vector<CUgraphNode>* nodes) const {
  const std::vector<CUgraphNode>& all = parts_.back().nodes;
  for (const uint32_t place : places) {
    if (place >= all.size()) {
      return false;
    }
    nodes->push_back(all[place]);
  }
  return true;
}

CUresult RecordedGraph::SetTail(std::vector<CUgraphNode> nodes) {
  return driver_.cuStreamUpdateCaptureDependencies(parts_.back().stream, nodes.data(), nodes.size(),
                                                   CU_STREAM_SET_CAPTURE_DEPENDENCIES);
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
  if (!NodesAt(after, &before)) {
    return failed_ = CUDA_ERROR_INVALID_VALUE;
  }
  if (empty) {
    CUgraph graph = nullptr;
    std::vector<CUgraphNode> tail;
    CUgraphNode node = nullptr;
    failed_ = Look(&graph, &tail);
    if (failed_ == CUDA_SUCCESS) {
      failed_ = driver_.cuGraphAddEmptyNode(&node, graph, before.data(), before.size());
    }
    parts_.back().nodes.push_back(node);
    before.assign(1, node);
  }
  if (failed_ == CUDA_SUCCESS) {
    failed_ = SetTail(std::move(before));
  }
  parts_.back().awaits_node = !empty;
  return CUDA_SUCCESS;
}

CUresult RecordedGraph::NextConditional(std::span<const uint32_t> after,
                                        const ConditionalNode& wanted) {
  if (failed_ != CUDA_SUCCESS) {
    return CUDA_SUCCESS;  // End tells it
  }
  failed_ = TakeLast();
  std::vector<CUgraphNode> before;
  if (failed_ == CUDA_SUCCESS && (home_ == nullptr || !NodesAt(after, &before))) {
    failed_ = CUDA_ERROR_INVALID_VALUE;
  }
  CUgraph graph = nullptr;
  std::vector<CUgraphNode> tail;
  failed_ = failed_ == CUDA_SUCCESS ? Look(&graph, &tail) : failed_;
  if (failed_ != CUDA_SUCCESS) {
    return CUDA_SUCCESS;
  }
  Part& part = parts_.back();
  CUgraphNode node = nullptr;
  failed_ = home_->Place(wanted, graph, before, &node, &part.bodies);
  if (failed_ != CUDA_SUCCESS) {
    return CUDA_SUCCESS;
  }
  part.bodies_count = wanted.bodies;
  part.nodes.push_back(node);
  failed_ = SetTail({node});
  return CUDA_SUCCESS;
}

CUresult RecordedGraph::BeginBody(uint32_t body, CUstream* stream) {
  const Part& part = parts_.back();
  if (body >= part.bodies_count || parts_.size() >= kPartsMax) {
    Refuse(CUDA_ERROR_INVALID_VALUE);
  }
  if (parts_.size() >= kPartsMax) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  CUresult result = CUDA_ERROR_INVALID_VALUE;
  if (failed_ == CUDA_SUCCESS) {
    result = BeginPart(part.bodies[body]);
    Refuse(result);
  }
  if (result != CUDA_SUCCESS) {
    // What the client posts is on its way, and must not run.
    result = BeginPart(nullptr);
    if (result != CUDA_SUCCESS) {
      return result;
    }
    parts_.back().is_lost = true;
  }
  *stream = parts_.back().stream;
  return CUDA_SUCCESS;
}

CUresult RecordedGraph::EndBody() {
  if (failed_ == CUDA_SUCCESS) {
    failed_ = TakeLast();
  }
  CUgraph graph = nullptr;
  const CUresult result = EndPart(&graph);
  if (parts_.back().is_lost && graph != nullptr) {
    static_cast<void>(driver_.cuGraphDestroy(graph));
  }
  Refuse(result);
  parts_.pop_back();
  return CUDA_SUCCESS;
}

CUresult RecordedGraph::End(uint64_t flags) {
  if (failed_ == CUDA_SUCCESS) {
    failed_ = TakeLast();
  }
  EndCapture();
  if (failed_ == CUDA_SUCCESS && home_ != nullptr) {
    failed_ = home_->DropUnplaced();
  }
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
