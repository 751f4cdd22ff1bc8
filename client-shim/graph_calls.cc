// SPDX-License-Identifier: Apache-2.0
#include "client-shim/graph_calls.h"

#include "client-shim/graph_messages.h"

namespace farlane::shim {
namespace {

graph::StreamTraits TraitsOf(const CallScope& scope, CUstream stream) {
  return scope.session().TraitsOf(scope.context(), ToWire(stream));
}

}  // namespace

bool ReadNodes(const NodeList& list, graph::Predecessors* edges) {
  if (list.count != 0 && list.nodes == nullptr) {
    return false;
  }
  for (size_t i = 0; i < list.count; ++i) {
    edges->push_back({.from = ToWire(list.nodes[i]),
                      .data = list.data == nullptr ? CUgraphEdgeData{} : list.data[i]});
  }
  return true;
}

CUresult BeginCapture(const CallScope& scope, CUstream stream, CUstreamCaptureMode mode) {
  return scope.session().captures().Begin(TraitsOf(scope, stream), mode, 0, {});
}

CUresult BeginCaptureTo(const CallScope& scope,
                        CUstream stream,
                        CUstreamCaptureMode mode,
                        CUgraph graph,
                        const NodeList& after) {
  graph::Predecessors edges;
  if (!ReadNodes(after, &edges) || !scope.session().graphs().Holds(ToWire(graph), edges)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return scope.session().captures().Begin(TraitsOf(scope, stream), mode, ToWire(graph),
                                          std::move(edges));
}

CUresult EndCapture(const CallScope& scope, CUstream stream, wire::Handle* graph) {
  return scope.session().captures().End(ToWire(stream), graph);
}

CUresult TellCapture(const CallScope& scope, CUstream stream, const graph::CaptureAnswers& to) {
  return scope.session().captures().Tell(TraitsOf(scope, stream), to);
}

CUresult UpdateCapture(const CallScope& scope,
                       CUstream stream,
                       const NodeList& nodes,
                       unsigned int flags) {
  graph::Predecessors edges;
  if (flags > CU_STREAM_SET_CAPTURE_DEPENDENCIES || !ReadNodes(nodes, &edges)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return scope.session().captures().Update(ToWire(stream), std::move(edges),
                                           flags == CU_STREAM_SET_CAPTURE_DEPENDENCIES);
}

CUresult CreateGraph(const SessionScope& scope, wire::Handle* graph) {
  *graph = scope.session().graphs().Create();
  return *graph == 0 ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

CUresult TellNodeType(const SessionScope& scope, CUgraphNode node, CUgraphNodeType* type) {
  const graph::CommandPtr command = scope.session().graphs().CommandOf(ToWire(node));
  if (command == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *type = command->type;
  return CUDA_SUCCESS;
}

}  // namespace farlane::shim
