// SPDX-License-Identifier: Apache-2.0
// Many copies by one call.
#include "protocol/abi/copy_batch.h"
#include "soft-gpu/api/copy_call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

// `failed` is the copy that could not be submitted; those before it were.
CUresult Submit(const abi::CopyBatch& batch, CUstream stream, size_t* failed) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (stream == nullptr || !batch.IsSound()) {
    return CUDA_ERROR_INVALID_VALUE;  // the manual: not in the default stream
  }
  return abi::ForEachCopy(
      batch, failed, [&](CUdeviceptr to, CUdeviceptr from, size_t bytes, bool during_call) {
        CopyRequest request;
        request.to = AnySide(call, to);
        request.from = AnySide(call, from);
        request.box.width_bytes = bytes;
        return SubmitCopy(call, stream, request,
                          during_call ? CopyWait::kSynchronous : CopyWait::kAsynchronous);
      });
}

CUresult SubmitBoxes(const CUDA_MEMCPY3D_BATCH_OP* operations,
                     size_t count,
                     unsigned long long flags,
                     CUstream stream,
                     size_t* failed) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (stream == nullptr || operations == nullptr || count == 0 || flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto texel_bytes_of = [&call](CUarray array) {
    const auto found = call.driver->arrays().Find(HandleNumber(array));
    return found == nullptr || found->is_mipmapped ? 0 : found->shape.texel_bytes();
  };
  for (size_t i = 0; i < count; ++i) {
    *failed = i;
    CUDA_MEMCPY3D copy{};
    FARLANE_SOFT_TRY(abi::DescribeBox(operations[i], texel_bytes_of, &copy));
    FARLANE_SOFT_TRY(cuMemcpy3DAsync_v2(&copy, stream));
    if (abi::ReadsDuringCall(operations[i].srcAccessOrder)) {
      FARLANE_SOFT_TRY(cuStreamSynchronize(stream));
    }
  }
  return CUDA_SUCCESS;
}

void Tell(CUresult result, size_t failed, size_t* failed_or_null) {
  if (result != CUDA_SUCCESS && failed_or_null != nullptr) {
    *failed_or_null = failed;
  }
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
  Tell(result, failed, failIdx);
  return result;
}

CUresult cuMemcpy3DBatchAsync_v2(size_t numOps,
                                 CUDA_MEMCPY3D_BATCH_OP* opList,
                                 unsigned long long flags,
                                 CUstream hStream) {
  size_t failed = 0;
  return SubmitBoxes(opList, numOps, flags, hStream, &failed);
}

CUresult cuMemcpy3DBatchAsync(size_t numOps,
                              CUDA_MEMCPY3D_BATCH_OP* opList,
                              size_t* failIdx,
                              unsigned long long flags,
                              CUstream hStream) {
  size_t failed = SIZE_MAX;  // as above
  const CUresult result = SubmitBoxes(opList, numOps, flags, hStream, &failed);
  Tell(result, failed, failIdx);
  return result;
}

}  // namespace farlane::soft
