// SPDX-License-Identifier: Apache-2.0
// Device memory and pinned host memory.
#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

constexpr uint64_t kPitchBytes = 512;
constexpr unsigned int kHostAllocFlags =
    CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED;
constexpr unsigned int kHostRegisterFlags =
    CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP | CU_MEMHOSTREGISTER_READ_ONLY;

uint64_t AddressOf(const void* pointer) {
  return reinterpret_cast<uint64_t>(pointer);
}

CUresult Allocate(const ContextCall& call, uint64_t size_bytes, uint64_t* address) {
  AllocationRequest request;
  request.device = call.context->device();
  request.context = call.context->handle();
  request.size_bytes = size_bytes;
  return call.driver->memory().Allocate(request, address);
}

}  // namespace

CUresult cuMemGetInfo_v2(size_t* free, size_t* total) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (free == nullptr || total == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Frames* frames = call.driver->space().frames(call.context->device());
  *total = frames->capacity_bytes();
  *free = frames->capacity_bytes() - frames->used_bytes();
  return CUDA_SUCCESS;
}

CUresult cuMemAlloc_v2(CUdeviceptr* dptr, size_t bytesize) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  FARLANE_SOFT_TRY(RefuseUnsafe(call));
  if (dptr == nullptr || bytesize == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  uint64_t address = 0;
  FARLANE_SOFT_TRY(Allocate(call, bytesize, &address));
  *dptr = address;
  return CUDA_SUCCESS;
}

CUresult cuMemAllocPitch_v2(CUdeviceptr* dptr,
                            size_t* pPitch,
                            size_t WidthInBytes,
                            size_t Height,
                            unsigned int ElementSizeBytes) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  FARLANE_SOFT_TRY(RefuseUnsafe(call));
  const bool element_known =
      ElementSizeBytes == 4 || ElementSizeBytes == 8 || ElementSizeBytes == 16;
  if (dptr == nullptr || pPitch == nullptr || WidthInBytes == 0 || Height == 0 || !element_known) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  uint64_t size_bytes = 0;
  if (WidthInBytes > kFramesBytesMax ||
      __builtin_mul_overflow(RoundUp(WidthInBytes, kPitchBytes), Height, &size_bytes)) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  uint64_t address = 0;
  FARLANE_SOFT_TRY(Allocate(call, size_bytes, &address));
  *dptr = address;
  *pPitch = RoundUp(WidthInBytes, kPitchBytes);
  return CUDA_SUCCESS;
}

CUresult cuMemFree_v2(CUdeviceptr dptr) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  FARLANE_SOFT_TRY(RefuseUnsafe(call));
  if (dptr == 0) {
    return CUDA_SUCCESS;
  }
  const auto range = call.driver->space().table().Find(dptr);
  if (!range || range->base != dptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  // As a driver does: work under way may still use the memory.
  if (const auto owner = call.driver->contexts().Find(range->context)) {
    owner->Synchronize();
  }
  if (range->kind == MemoryKind::kOpened) {
    return call.driver->opened_memory().Close(dptr, true);  // of a pool; others have another call
  }
  if (CUresult freed = CUDA_SUCCESS; call.driver->graph_memory().Free(dptr, &freed)) {
    return freed;
  }
  call.driver->pools().NoteFree(dptr);
  return call.driver->memory().Free(dptr, {MemoryKind::kDevice, MemoryKind::kManaged});
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr* pbase, size_t* psize, CUdeviceptr dptr) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  const auto range = call.driver->space().table().Find(dptr);
  if (!range || range->kind == MemoryKind::kRegistered) {
    return CUDA_ERROR_NOT_FOUND;
  }
  if (pbase != nullptr) {
    *pbase = range->base;
  }
  if (psize != nullptr) {
    *psize = range->size_bytes;
  }
  return CUDA_SUCCESS;
}

CUresult cuMemHostAlloc(void** pp, size_t bytesize, unsigned int Flags) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  FARLANE_SOFT_TRY(RefuseUnsafe(call));
  if (pp == nullptr || bytesize == 0 || (Flags & ~kHostAllocFlags) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  uint64_t address = 0;
  FARLANE_SOFT_TRY(
      call.driver->host_memory().Allocate(call.context->handle(), bytesize, Flags, &address));
  *pp = reinterpret_cast<void*>(address);
  return CUDA_SUCCESS;
}

CUresult cuMemFreeHost(void* p) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  FARLANE_SOFT_TRY(RefuseUnsafe(call));
  if (p == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto range = call.driver->space().table().Find(AddressOf(p));
  if (!range || range->base != AddressOf(p) || range->kind != MemoryKind::kHost) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (const auto owner = call.driver->contexts().Find(range->context)) {
    owner->Synchronize();
  }
  return call.driver->host_memory().Free(AddressOf(p));
}

CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr* pdptr, void* p, unsigned int Flags) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pdptr == nullptr || Flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto range = call.driver->space().table().Find(AddressOf(p));
  if (!range || !range->host()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (range->kind == MemoryKind::kRegistered) {
    uint64_t alias = 0;
    const CUresult found = call.driver->host_memory().aliases().Find(*range, AddressOf(p), &alias);
    if (found == CUDA_ERROR_NOT_SUPPORTED) {
      return Missing("the device address of registered memory that is no plain memory");
    }
    FARLANE_SOFT_TRY(found);
    *pdptr = alias;
    return CUDA_SUCCESS;
  }
  *pdptr = AddressOf(p);
  return CUDA_SUCCESS;
}

CUresult cuMemHostGetFlags(unsigned int* pFlags, void* p) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pFlags == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto range = call.driver->space().table().Find(AddressOf(p));
  if (!range || range->kind != MemoryKind::kHost) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  // With one address space for all devices, host memory is always mapped.
  *pFlags = range->flags | CU_MEMHOSTALLOC_DEVICEMAP;
  return CUDA_SUCCESS;
}

CUresult cuMemHostRegister_v2(void* p, size_t bytesize, unsigned int Flags) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  FARLANE_SOFT_TRY(RefuseUnsafe(call));
  if ((Flags & CU_MEMHOSTREGISTER_IOMEMORY) != 0) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  if (p == nullptr || bytesize == 0 || (Flags & ~kHostRegisterFlags) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return call.driver->host_memory().Register(call.context->handle(), AddressOf(p), bytesize, Flags);
}

CUresult cuMemHostUnregister(void* p) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  FARLANE_SOFT_TRY(RefuseUnsafe(call));
  if (p == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  call.context->Synchronize();
  return call.driver->host_memory().Unregister(AddressOf(p));
}

}  // namespace farlane::soft
