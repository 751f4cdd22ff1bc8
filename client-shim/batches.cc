// SPDX-License-Identifier: Apache-2.0
#include "client-shim/batches.h"

#include "client-shim/bodies.h"
#include "client-shim/box_copies.h"
#include "client-shim/graph_nodes.h"

namespace farlane::shim {
namespace {

constexpr size_t kMemoryOperationsMax = 256;  // of the manual

// The manual: batches are for streams that the program has made.
CUresult CheckStream(const CallScope& scope, CUstream stream) {
  if (stream == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return scope.Knows(stream) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

void Tell(size_t* failed_or_null, size_t failed) {
  if (failed_or_null != nullptr) {
    *failed_or_null = failed;
  }
}

struct WordUse {
  CUdeviceptr address = 0;
  uint64_t bytes = 0;  // 0: no word
  unsigned int flags = 0;
  unsigned int flags_max = 0;
};

// False for an operation that there is not.
bool Read(const CUstreamBatchMemOpParams& operation, WordUse* word) {
  switch (operation.operation) {
    case CU_STREAM_MEM_OP_WAIT_VALUE_32:
    case CU_STREAM_MEM_OP_WAIT_VALUE_64:
      *word = {operation.waitValue.address,
               operation.operation == CU_STREAM_MEM_OP_WAIT_VALUE_32 ? 4U : 8U,
               operation.waitValue.flags, CU_STREAM_WAIT_VALUE_NOR};
      return true;
    case CU_STREAM_MEM_OP_WRITE_VALUE_32:
    case CU_STREAM_MEM_OP_WRITE_VALUE_64:
      *word = {operation.writeValue.address,
               operation.operation == CU_STREAM_MEM_OP_WRITE_VALUE_32 ? 4U : 8U,
               operation.writeValue.flags, CU_STREAM_WRITE_VALUE_NO_MEMORY_BARRIER};
      return true;
    case CU_STREAM_MEM_OP_BARRIER:
      return true;  // work of a stream is done in order anyway
    default:
      return false;
  }
}

CUresult CheckOperation(const CallScope& scope, const CUstreamBatchMemOpParams& operation) {
  if (operation.operation == CU_STREAM_MEM_OP_FLUSH_REMOTE_WRITES ||
      (operation.operation == CU_STREAM_MEM_OP_WAIT_VALUE_32 &&
       (operation.waitValue.flags & CU_STREAM_WAIT_VALUE_FLUSH) != 0)) {
    return CUDA_ERROR_NOT_SUPPORTED;  // as attribute 98 says
  }
  WordUse word;
  if (!Read(operation, &word) || word.flags > word.flags_max) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const bool fits = word.bytes == 0 || (word.address % word.bytes == 0 &&
                                        scope.OwnsRows(word.address, word.bytes, 1, 0, 1));
  return fits ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

// By a capture of the program's: then all of them are one node.
bool IsCaptured(const CallScope& scope, CUstream stream) {
  graph::Captures& captures = scope.session().captures();
  wire::Handle graph = 0;
  graph::Predecessors after;
  return captures.busy() && captures.PlaceOf(ToWire(stream), &graph, &after) && graph != 0;
}

CUresult RunOperation(const CUstreamBatchMemOpParams& operation, CUstream stream) {
  const auto& wait = operation.waitValue;
  const auto& write = operation.writeValue;
  switch (operation.operation) {
    case CU_STREAM_MEM_OP_WAIT_VALUE_32:
      return cuStreamWaitValue32_v2(stream, wait.address, wait.value, wait.flags);
    case CU_STREAM_MEM_OP_WAIT_VALUE_64:
      return cuStreamWaitValue64_v2(stream, wait.address, wait.value64, wait.flags);
    case CU_STREAM_MEM_OP_WRITE_VALUE_32:
      return cuStreamWriteValue32_v2(stream, write.address, write.value, write.flags);
    case CU_STREAM_MEM_OP_WRITE_VALUE_64:
      return cuStreamWriteValue64_v2(stream, write.address, write.value64, write.flags);
    default:
      return CUDA_SUCCESS;
  }
}

}  // namespace

CUresult CopyAll(const CallScope& scope,
                 const abi::CopyBatch& batch,
                 CUstream stream,
                 size_t* failed_or_null) {
  Tell(failed_or_null, SIZE_MAX);
  const CUresult usable = CheckStream(scope, stream);
  if (usable != CUDA_SUCCESS || !batch.IsSound()) {
    return usable != CUDA_SUCCESS ? usable : CUDA_ERROR_INVALID_VALUE;
  }
  size_t failed = SIZE_MAX;
  const CUresult result = abi::ForEachCopy(
      batch, &failed, [&](CUdeviceptr to, CUdeviceptr from, size_t bytes, bool during_call) {
        return CopyLinear(scope, to, from, bytes, stream, during_call ? Wait::kYes : Wait::kNo);
      });
  Tell(failed_or_null, failed);
  return result;
}

CUresult CopyAllBoxes(const CallScope& scope,
                      const BoxBatch& batch,
                      CUstream stream,
                      size_t* failed_or_null) {
  Tell(failed_or_null, SIZE_MAX);
  const CUresult usable = CheckStream(scope, stream);
  if (usable != CUDA_SUCCESS) {
    return usable;
  }
  if (batch.operations == nullptr || batch.count == 0 || batch.flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto texel_bytes_of = [&scope](CUarray array) {
    const ArrayObject* known = scope.session().objects().arrays.Find(ToWire(array));
    return known == nullptr || known->is_mipmapped ? 0 : known->shape.texel_bytes();
  };
  for (size_t i = 0; i < batch.count; ++i) {
    CUDA_MEMCPY3D copy{};
    CUresult result = abi::DescribeBox(batch.operations[i], texel_bytes_of, &copy);
    if (result == CUDA_SUCCESS) {
      const bool during_call = abi::ReadsDuringCall(batch.operations[i].srcAccessOrder);
      result = CopyBox(scope, copy, stream, during_call ? Wait::kYes : Wait::kNo);
    }
    if (result != CUDA_SUCCESS) {
      Tell(failed_or_null, i);
      return result;
    }
  }
  return CUDA_SUCCESS;
}

CUresult RunMemoryOperations(const CallScope& scope,
                             CUstream stream,
                             std::span<CUstreamBatchMemOpParams> operations,
                             unsigned int flags) {
  if (operations.data() == nullptr || operations.empty() ||
      operations.size() > kMemoryOperationsMax || flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (!scope.KnowsOrNull(stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  for (const CUstreamBatchMemOpParams& operation : operations) {
    const CUresult result = CheckOperation(scope, operation);
    if (result != CUDA_SUCCESS) {
      return result;
    }
  }
  if (IsCaptured(scope, stream)) {
    const CUDA_BATCH_MEM_OP_NODE_PARAMS node{.ctx = FromWire<CUcontext>(scope.context()),
                                             .count = static_cast<unsigned int>(operations.size()),
                                             .paramArray = operations.data(),
                                             .flags = flags};
    return AppendNode(scope, stream, graph::MemoryOperationsNode(&node));
  }
  for (const CUstreamBatchMemOpParams& operation : operations) {
    const CUresult result = RunOperation(operation, stream);
    if (result != CUDA_SUCCESS) {
      return result;
    }
  }
  return CUDA_SUCCESS;
}

}  // namespace farlane::shim
