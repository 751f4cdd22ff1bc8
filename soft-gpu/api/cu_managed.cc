// SPDX-License-Identifier: Apache-2.0
// Managed memory. It is device memory that the host reaches at the same address at any time, so
// hints about where it should be are checked and need nothing.
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

CUmemLocation LocationOf(CUdevice device) {
  CUmemLocation location{};
  location.type = device == CU_DEVICE_CPU ? CU_MEM_LOCATION_TYPE_HOST : CU_MEM_LOCATION_TYPE_DEVICE;
  location.id = device;
  return location;
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
  return CheckManaged(call, devPtr, count);
}

CUresult cuMemPrefetchAsync(CUdeviceptr devPtr,
                            size_t count,
                            CUdevice dstDevice,
                            CUstream hStream) {
  return cuMemPrefetchAsync_v2(devPtr, count, LocationOf(dstDevice), 0, hStream);
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
  return CheckManaged(call, devPtr, count);
}

CUresult cuMemAdvise(CUdeviceptr devPtr, size_t count, CUmem_advise advice, CUdevice device) {
  return cuMemAdvise_v2(devPtr, count, advice, LocationOf(device));
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
