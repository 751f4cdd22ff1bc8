// SPDX-License-Identifier: Apache-2.0
// Many copies by one call.
#include "soft-gpu/api/copy_call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

struct Batch {
  const CUdeviceptr* to = nullptr;
  const CUdeviceptr* from = nullptr;
  const size_t* bytes = nullptr;
  size_t count = 0;
  const CUmemcpyAttributes* attributes = nullptr;
  const size_t* attribute_starts = nullptr;  // the first copy that each attribute is for
  size_t attribute_count = 0;
};

// Attributes are for the copies from their start to the next one's.
bool IsSound(const Batch& batch) {
  if (batch.to == nullptr || batch.from == nullptr || batch.bytes == nullptr || batch.count == 0 ||
      batch.attributes == nullptr || batch.attribute_starts == nullptr ||
      batch.attribute_count == 0 || batch.attribute_count > batch.count ||
      batch.attribute_starts[0] != 0) {
    return false;
  }
  for (size_t i = 0; i < batch.attribute_count; ++i) {
    const CUmemcpySrcAccessOrder order = batch.attributes[i].srcAccessOrder;
    const bool ascends = i == 0 || batch.attribute_starts[i] > batch.attribute_starts[i - 1];
    if (!ascends || batch.attribute_starts[i] >= batch.count ||
        order < CU_MEMCPY_SRC_ACCESS_ORDER_STREAM || order > CU_MEMCPY_SRC_ACCESS_ORDER_ANY) {
      return false;
    }
  }
  return true;
}

// `failed` is the copy that could not be submitted; those before it were.
CUresult Submit(const Batch& batch, CUstream stream, size_t* failed) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (stream == nullptr || !IsSound(batch)) {
    return CUDA_ERROR_INVALID_VALUE;  // the manual: not in the default stream
  }
  size_t attribute = 0;
  for (size_t i = 0; i < batch.count; ++i) {
    while (attribute + 1 < batch.attribute_count && batch.attribute_starts[attribute + 1] <= i) {
      ++attribute;
    }
    *failed = i;
    CopyRequest request;
    request.to = AnySide(call, batch.to[i]);
    request.from = AnySide(call, batch.from[i]);
    request.box.width_bytes = batch.bytes[i];
    const bool now =
        batch.attributes[attribute].srcAccessOrder == CU_MEMCPY_SRC_ACCESS_ORDER_DURING_API_CALL;
    FARLANE_SOFT_TRY(
        SubmitCopy(call, stream, request, now ? CopyWait::kSynchronous : CopyWait::kAsynchronous));
  }
  return CUDA_SUCCESS;
}

}  // namespace

CUresult cuMemcpyBatchAsync_v2(CUdeviceptr* dsts,
                               CUdeviceptr* srcs,
                               size_t* sizes,
                               size_t count,
                               CUmemcpyAttributes* attrs,
                               size_t* attrsIdxs,
                               size_t numAttrs,
                               CUstream hStream) {
  size_t failed = 0;
  return Submit({dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs}, hStream, &failed);
}

CUresult cuMemcpyBatchAsync(CUdeviceptr* dsts,
                            CUdeviceptr* srcs,
                            size_t* sizes,
                            size_t count,
                            CUmemcpyAttributes* attrs,
                            size_t* attrsIdxs,
                            size_t numAttrs,
                            size_t* failIdx,
                            CUstream hStream) {
  size_t failed = SIZE_MAX;  // no single copy is to blame
  const CUresult result =
      Submit({dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs}, hStream, &failed);
  if (result != CUDA_SUCCESS && failIdx != nullptr) {
    *failIdx = failed;
  }
  return result;
}

}  // namespace farlane::soft
