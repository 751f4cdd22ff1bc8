// SPDX-License-Identifier: Apache-2.0
// Managed memory. It is device memory that the host reaches at the same address at any time, so
// hints about where it should be are checked, remembered and need nothing else.
#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

CUresult CheckManaged(const ContextCall& call, CUdeviceptr address, size_t bytes) {
  const auto range = call.driver->space().table().Find(address);
  const bool managed =
      range && (range->kind == MemoryKind::kManaged || range->kind == MemoryKind::kGlobal);
  return managed && bytes > 0 && bytes <= range->end() - address ? CUDA_SUCCESS
                                                                 : CUDA_ERROR_INVALID_VALUE;
}

CUresult CheckLocation(const ContextCall& call, const CUmemLocation& location) {
  switch (location.type) {
    case CU_MEM_LOCATION_TYPE_DEVICE: {
      const Device* device = nullptr;
      return FindDevice(call, location.id, &device);
    }
    case CU_MEM_LOCATION_TYPE_HOST:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT:
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

struct RangeBatch {
  const CUdeviceptr* addresses = nullptr;
  const size_t* bytes = nullptr;
  size_t count = 0;
};

CUresult CheckRanges(const ContextCall& call,
                     const RangeBatch& batch,
                     unsigned long long flags,
                     CUstream stream) {
  if (stream == nullptr || batch.addresses == nullptr || batch.bytes == nullptr ||
      batch.count == 0 || flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;  // the manual: not in the default stream
  }
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, stream, &use));
  for (size_t i = 0; i < batch.count; ++i) {
    FARLANE_SOFT_TRY(CheckManaged(call, batch.addresses[i], batch.bytes[i]));
  }
  return CUDA_SUCCESS;
}

// Each place is for the ranges from its start to the next one's.
struct Places {
  const CUmemLocation* places = nullptr;
  const size_t* starts = nullptr;
  size_t count = 0;
};

CUresult Prefetch(const ContextCall& call, const RangeBatch& batch, const Places& places) {
  if (places.places == nullptr || places.starts == nullptr || places.count == 0 ||
      places.count > batch.count || places.starts[0] != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  for (size_t i = 0; i < places.count; ++i) {
    const size_t end = i + 1 < places.count ? places.starts[i + 1] : batch.count;
    if (end <= places.starts[i] || end > batch.count) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    FARLANE_SOFT_TRY(CheckLocation(call, places.places[i]));
    for (size_t range = places.starts[i]; range < end; ++range) {
      FARLANE_SOFT_TRY(call.driver->advice().NotePrefetch(
          {batch.addresses[range], batch.bytes[range]}, places.places[i]));
    }
  }
  return CUDA_SUCCESS;
}

}  // namespace

CUresult cuMemAllocManaged(CUdeviceptr* dptr, size_t bytesize, unsigned int flags) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  FARLANE_SOFT_TRY(RefuseUnsafe(call));
  if (dptr == nullptr || bytesize == 0 ||
      (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  AllocationRequest request;
  request.device = call.context->device();
  request.context = call.context->handle();
  request.size_bytes = bytesize;
  request.kind = MemoryKind::kManaged;
  request.flags = flags;
  uint64_t address = 0;
  FARLANE_SOFT_TRY(call.driver->memory().Allocate(request, &address));
  call.driver->advice().Forget({address, bytesize});
  *dptr = address;
  return CUDA_SUCCESS;
}

CUresult cuMemPrefetchAsync_v2(CUdeviceptr devPtr,
                               size_t count,
                               CUmemLocation location,
                               unsigned int flags,
                               CUstream hStream) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  FARLANE_SOFT_TRY(CheckLocation(call, location));
  FARLANE_SOFT_TRY(CheckManaged(call, devPtr, count));
  return call.driver->advice().NotePrefetch({devPtr, count}, location);
}

CUresult cuMemPrefetchAsync(CUdeviceptr devPtr,
                            size_t count,
                            CUdevice dstDevice,
                            CUstream hStream) {
  return cuMemPrefetchAsync_v2(devPtr, count, abi::MemoryAdvice::LocationOf(dstDevice), 0, hStream);
}

CUresult cuMemAdvise_v2(CUdeviceptr devPtr,
                        size_t count,
                        CUmem_advise advice,
                        CUmemLocation location) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (advice < CU_MEM_ADVISE_SET_READ_MOSTLY || advice > CU_MEM_ADVISE_UNSET_ACCESSED_BY) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const bool needs_location = advice != CU_MEM_ADVISE_SET_READ_MOSTLY &&
                              advice != CU_MEM_ADVISE_UNSET_READ_MOSTLY &&
                              advice != CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION;
  if (needs_location) {
    FARLANE_SOFT_TRY(CheckLocation(call, location));
  }
  FARLANE_SOFT_TRY(CheckManaged(call, devPtr, count));
  return call.driver->advice().Advise({devPtr, count}, advice, location);
}

CUresult cuMemAdvise(CUdeviceptr devPtr, size_t count, CUmem_advise advice, CUdevice device) {
  return cuMemAdvise_v2(devPtr, count, advice, abi::MemoryAdvice::LocationOf(device));
}

CUresult cuMemPrefetchBatchAsync(CUdeviceptr* dptrs,
                                 size_t* sizes,
                                 size_t count,
                                 CUmemLocation* prefetchLocs,
                                 size_t* prefetchLocIdxs,
                                 size_t numPrefetchLocs,
                                 unsigned long long flags,
                                 CUstream hStream) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  FARLANE_SOFT_TRY(CheckRanges(call, {dptrs, sizes, count}, flags, hStream));
  return Prefetch(call, {dptrs, sizes, count}, {prefetchLocs, prefetchLocIdxs, numPrefetchLocs});
}

// That the content is no longer wanted is only a hint.
CUresult cuMemDiscardBatchAsync(
    CUdeviceptr* dptrs, size_t* sizes, size_t count, unsigned long long flags, CUstream hStream) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  return CheckRanges(call, {dptrs, sizes, count}, flags, hStream);
}

CUresult cuMemDiscardAndPrefetchBatchAsync(CUdeviceptr* dptrs,
                                           size_t* sizes,
                                           size_t count,
                                           CUmemLocation* prefetchLocs,
                                           size_t* prefetchLocIdxs,
                                           size_t numPrefetchLocs,
                                           unsigned long long flags,
                                           CUstream hStream) {
  return cuMemPrefetchBatchAsync(dptrs, sizes, count, prefetchLocs, prefetchLocIdxs,
                                 numPrefetchLocs, flags, hStream);
}

CUresult cuMemRangeGetAttribute(void* data,
                                size_t dataSize,
                                CUmem_range_attribute attribute,
                                CUdeviceptr devPtr,
                                size_t count) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (data == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  FARLANE_SOFT_TRY(CheckManaged(call, devPtr, count));
  return call.driver->advice().Tell({devPtr, count}, attribute, data, dataSize);
}

CUresult cuMemRangeGetAttributes(void** data,
                                 size_t* dataSizes,
                                 CUmem_range_attribute* attributes,
                                 size_t numAttributes,
                                 CUdeviceptr devPtr,
                                 size_t count) {
  if (data == nullptr || dataSizes == nullptr || attributes == nullptr || numAttributes == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  for (size_t i = 0; i < numAttributes; ++i) {
    FARLANE_SOFT_TRY(cuMemRangeGetAttribute(data[i], dataSizes[i], attributes[i], devPtr, count));
  }
  return CUDA_SUCCESS;
}

CUresult cuStreamAttachMemAsync(CUstream hStream,
                                CUdeviceptr dptr,
                                size_t length,
                                unsigned int flags) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST &&
      flags != CU_MEM_ATTACH_SINGLE) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  return CheckManaged(call, dptr, length == 0 ? 1 : length);
}

}  // namespace farlane::soft
