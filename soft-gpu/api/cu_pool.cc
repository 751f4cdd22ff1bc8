// SPDX-License-Identifier: Apache-2.0
// Memory that is allocated and freed in the order of a stream. An allocation is there at once, so
// only the free has to wait for its turn; pools keep numbers and hold nothing back.
#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {

CUresult cuMemAllocAsync(CUdeviceptr* dptr, size_t bytesize, CUstream hStream) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (dptr == nullptr || bytesize == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  FARLANE_SOFT_TRY(RefuseCaptured(call, use));
  AllocationRequest request;
  request.device = use.context->device();
  request.context = use.context->handle();
  request.size_bytes = bytesize;
  uint64_t address = 0;
  FARLANE_SOFT_TRY(call.driver->memory().Allocate(request, &address));
  *dptr = address;
  return CUDA_SUCCESS;
}

CUresult cuMemFreeAsync(CUdeviceptr dptr, CUstream hStream) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  const auto range = call.driver->space().table().Find(dptr);
  if (!range || range->base != dptr || range->kind != MemoryKind::kDevice) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  Work work;
  work.brief = true;
  work.always = true;
  work.run = [memory = &call.driver->memory(), dptr] {
    return memory->Free(dptr, {MemoryKind::kDevice}) == CUDA_SUCCESS ? CUDA_SUCCESS
                                                                     : CUDA_ERROR_ILLEGAL_ADDRESS;
  };
  FARLANE_SOFT_TRY(RefuseCaptured(call, use));
  return Put(call, use, std::move(work));
}

}  // namespace farlane::soft
