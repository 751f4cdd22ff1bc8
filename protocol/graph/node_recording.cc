// SPDX-License-Identifier: Apache-2.0
#include "protocol/graph/node_recording.h"

namespace farlane::graph {
namespace {

CUresult RecordKernel(const StreamCalls& calls,
                      const CUgraphNodeParams& params,
                      const Attributes& attributes,
                      CUstream stream) {
  Attributes asked = attributes;
  CUlaunchConfig config{};
  config.gridDimX = params.kernel.gridDimX;
  config.gridDimY = params.kernel.gridDimY;
  config.gridDimZ = params.kernel.gridDimZ;
  config.blockDimX = params.kernel.blockDimX;
  config.blockDimY = params.kernel.blockDimY;
  config.blockDimZ = params.kernel.blockDimZ;
  config.sharedMemBytes = params.kernel.sharedMemBytes;
  config.hStream = stream;
  config.attrs = asked.data();
  config.numAttrs = static_cast<unsigned int>(asked.size());
  return calls.launch(&config, FunctionOf(params), params.kernel.kernelParams, params.kernel.extra,
                      stream);
}

CUresult RecordFill(const StreamCalls& calls,
                    const CUDA_MEMSET_NODE_PARAMS_v2& fill,
                    CUstream stream) {
  const bool is_size = fill.elementSize == 1 || fill.elementSize == 2 || fill.elementSize == 4;
  if (!is_size || fill.dst == 0 || fill.width == 0 || fill.height == 0 ||
      (fill.elementSize < 4 && fill.value >> (8 * fill.elementSize) != 0)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  // With one row the distance between rows means nothing, and may be anything.
  const size_t pitch = fill.height == 1 ? fill.width * fill.elementSize : fill.pitch;
  switch (fill.elementSize) {
    case 1:
      return calls.fill8(fill.dst, pitch, static_cast<unsigned char>(fill.value), fill.width,
                         fill.height, stream);
    case 2:
      return calls.fill16(fill.dst, pitch, static_cast<unsigned short>(fill.value), fill.width,
                          fill.height, stream);
    default:
      return calls.fill32(fill.dst, pitch, fill.value, fill.width, fill.height, stream);
  }
}

}  // namespace

CUresult RecordNode(const StreamCalls& calls,
                    const CUgraphNodeParams& params,
                    const Attributes& attributes,
                    CUstream stream) {
  switch (params.type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      return RecordKernel(calls, params, attributes, stream);
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      return calls.copy(&params.memcpy.copyParams, stream);
    case CU_GRAPH_NODE_TYPE_MEMSET:
      return RecordFill(calls, params.memset, stream);
    case CU_GRAPH_NODE_TYPE_HOST:
      return calls.host(stream, params.host.fn, params.host.userData);
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
      return calls.record(params.eventRecord.event, stream, CU_EVENT_RECORD_EXTERNAL);
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
      return calls.wait(stream, params.eventWait.event, CU_EVENT_WAIT_EXTERNAL);
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      return calls.memory_operations(stream, params.memOp.count, params.memOp.paramArray,
                                     params.memOp.flags);
    case CU_GRAPH_NODE_TYPE_EMPTY:
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_NOT_SUPPORTED;
  }
}

}  // namespace farlane::graph
