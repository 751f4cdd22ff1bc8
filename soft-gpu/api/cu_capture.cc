// SPDX-License-Identifier: Apache-2.0
// Recording streams into graphs.
#include <utility>

#include "soft-gpu/api/call.h"
#include "soft-gpu/api/node_list.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

bool IsMode(CUstreamCaptureMode mode) {
  return mode >= CU_STREAM_CAPTURE_MODE_GLOBAL && mode <= CU_STREAM_CAPTURE_MODE_RELAXED;
}

CUresult Begin(CUstream handle,
               CUstreamCaptureMode mode,
               uint64_t graph_or_null,
               graph::Predecessors after) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (!IsMode(mode)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, handle, &use));
  return call.driver->captures().Begin(TraitsOf(use), mode, graph_or_null, std::move(after));
}

CUresult Tell(CUstream handle, const graph::CaptureAnswers& answers) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (answers.status == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, handle, &use));
  return call.driver->captures().Tell(TraitsOf(use), answers);
}

CUresult Update(CUstream handle, const NodeList& nodes, unsigned int flags) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  graph::Predecessors edges;
  if (flags > CU_STREAM_SET_CAPTURE_DEPENDENCIES || !nodes.Read(&edges)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, handle, &use));
  return call.driver->captures().Update(use.stream->traits().handle, std::move(edges),
                                        flags == CU_STREAM_SET_CAPTURE_DEPENDENCIES);
}

}  // namespace

CUresult cuStreamBeginCapture_v2(CUstream hStream, CUstreamCaptureMode mode) {
  return Begin(hStream, mode, 0, {});
}

CUresult cuStreamBeginCaptureToGraph(CUstream hStream,
                                     CUgraph hGraph,
                                     const CUgraphNode* dependencies,
                                     const CUgraphEdgeData* dependencyData,
                                     size_t numDependencies,
                                     CUstreamCaptureMode mode) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  graph::Predecessors after;
  if (!NodeList{dependencies, dependencyData, numDependencies}.Read(&after) ||
      !call.driver->graphs().Knows(HandleNumber(hGraph)) ||
      !call.driver->graphs().Holds(HandleNumber(hGraph), after)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return Begin(hStream, mode, HandleNumber(hGraph), std::move(after));
}

CUresult cuStreamEndCapture(CUstream hStream, CUgraph* phGraph) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  uint64_t graph = 0;
  const CUresult result = call.driver->captures().End(use.stream->traits().handle,
                                                      phGraph == nullptr ? nullptr : &graph);
  if (phGraph != nullptr) {
    *phGraph = AsHandle<CUgraph>(graph);
  }
  return result;
}

CUresult cuStreamIsCapturing(CUstream hStream, CUstreamCaptureStatus* captureStatus) {
  return Tell(hStream, {.status = captureStatus});
}

CUresult cuStreamGetCaptureInfo(CUstream hStream,
                                CUstreamCaptureStatus* captureStatus_out,
                                cuuint64_t* id_out) {
  return Tell(hStream, {.status = captureStatus_out, .id = id_out});
}

CUresult cuStreamGetCaptureInfo_v2(CUstream hStream,
                                   CUstreamCaptureStatus* captureStatus_out,
                                   cuuint64_t* id_out,
                                   CUgraph* graph_out,
                                   const CUgraphNode** dependencies_out,
                                   size_t* numDependencies_out) {
  return Tell(hStream, {captureStatus_out, id_out, graph_out, dependencies_out, nullptr,
                        numDependencies_out});
}

CUresult cuStreamGetCaptureInfo_v3(CUstream hStream,
                                   CUstreamCaptureStatus* captureStatus_out,
                                   cuuint64_t* id_out,
                                   CUgraph* graph_out,
                                   const CUgraphNode** dependencies_out,
                                   const CUgraphEdgeData** edgeData_out,
                                   size_t* numDependencies_out) {
  return Tell(hStream, {captureStatus_out, id_out, graph_out, dependencies_out, edgeData_out,
                        numDependencies_out});
}

CUresult cuStreamUpdateCaptureDependencies(CUstream hStream,
                                           CUgraphNode* dependencies,
                                           size_t numDependencies,
                                           unsigned int flags) {
  return Update(hStream, {dependencies, nullptr, numDependencies}, flags);
}

CUresult cuStreamUpdateCaptureDependencies_v2(CUstream hStream,
                                              CUgraphNode* dependencies,
                                              const CUgraphEdgeData* dependencyData,
                                              size_t numDependencies,
                                              unsigned int flags) {
  return Update(hStream, {dependencies, dependencyData, numDependencies}, flags);
}

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode* mode) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (mode == nullptr || !IsMode(*mode)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::swap(*mode, ThisThread().capture_mode);
  return CUDA_SUCCESS;
}

}  // namespace farlane::soft
