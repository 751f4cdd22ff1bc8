// SPDX-License-Identifier: Apache-2.0
// Addresses and physical memory, apart.
#include <vector>

#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

// The device that the properties name; memory of the host is not there.
CUresult DeviceOf(const PlainCall& call, const CUmemAllocationProp& prop, int* device) {
  if (prop.type != CU_MEM_ALLOCATION_TYPE_PINNED) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (prop.location.type != CU_MEM_LOCATION_TYPE_DEVICE) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  const Device* found = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, prop.location.id, &found));
  *device = prop.location.id;
  return CUDA_SUCCESS;
}

CUresult AccessOf(CUmemAccess_flags flags, Access* access) {
  switch (flags) {
    case CU_MEM_ACCESS_FLAGS_PROT_NONE:
      *access = Access::kNone;
      return CUDA_SUCCESS;
    case CU_MEM_ACCESS_FLAGS_PROT_READ:
      *access = Access::kRead;
      return CUDA_SUCCESS;
    case CU_MEM_ACCESS_FLAGS_PROT_READWRITE:
      *access = Access::kReadWrite;
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

}  // namespace

CUresult cuMemAddressReserve(
    CUdeviceptr* ptr, size_t size, size_t alignment, CUdeviceptr addr, unsigned long long flags) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (ptr == nullptr || flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  uint64_t base = 0;
  FARLANE_SOFT_TRY(call.driver->virtual_memory().Reserve(size, alignment, addr, &base));
  *ptr = base;
  return CUDA_SUCCESS;
}

CUresult cuMemAddressFree(CUdeviceptr ptr, size_t size) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  return call.driver->virtual_memory().FreeReservation(ptr, size);
}

CUresult cuMemCreate(CUmemGenericAllocationHandle* handle,
                     size_t size,
                     const CUmemAllocationProp* prop,
                     unsigned long long flags) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (handle == nullptr || prop == nullptr || flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  int device = 0;
  FARLANE_SOFT_TRY(DeviceOf(call, *prop, &device));
  if (prop->requestedHandleTypes != CU_MEM_HANDLE_TYPE_NONE &&
      prop->requestedHandleTypes != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) {
    return CUDA_ERROR_NOT_SUPPORTED;  // as attributes 103 and those after it say
  }
  uint64_t created = 0;
  FARLANE_SOFT_TRY(call.driver->virtual_memory().Create(device, size, *prop, &created));
  *handle = created;
  return CUDA_SUCCESS;
}

CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  return call.driver->virtual_memory().Release(handle);
}

CUresult cuMemMap(CUdeviceptr ptr,
                  size_t size,
                  size_t offset,
                  CUmemGenericAllocationHandle handle,
                  unsigned long long flags) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return call.driver->virtual_memory().Map(ptr, size, offset, handle);
}

CUresult cuMemUnmap(CUdeviceptr ptr, size_t size) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  return call.driver->virtual_memory().Unmap(ptr, size);
}

CUresult cuMemSetAccess(CUdeviceptr ptr, size_t size, const CUmemAccessDesc* desc, size_t count) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (desc == nullptr || count == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  for (size_t i = 0; i < count; ++i) {
    Access access = Access::kNone;
    FARLANE_SOFT_TRY(AccessOf(desc[i].flags, &access));
    if (desc[i].location.type != CU_MEM_LOCATION_TYPE_DEVICE) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    const Device* device = nullptr;
    FARLANE_SOFT_TRY(FindDevice(call, desc[i].location.id, &device));
    FARLANE_SOFT_TRY(
        call.driver->virtual_memory().SetAccess(ptr, size, desc[i].location.id, access));
  }
  return CUDA_SUCCESS;
}

CUresult cuMemGetAccess(unsigned long long* flags, const CUmemLocation* location, CUdeviceptr ptr) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (flags == nullptr || location == nullptr || location->type != CU_MEM_LOCATION_TYPE_DEVICE) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Device* device = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, location->id, &device));
  const auto range = call.driver->space().table().Find(ptr);
  if (!range || range->kind != MemoryKind::kMapped) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  static_assert(static_cast<int>(Access::kRead) == CU_MEM_ACCESS_FLAGS_PROT_READ);
  static_assert(static_cast<int>(Access::kReadWrite) == CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
  *flags = static_cast<unsigned long long>(range->access[static_cast<size_t>(location->id)]);
  return CUDA_SUCCESS;
}

CUresult cuMemExportToShareableHandle(void* shareableHandle,
                                      CUmemGenericAllocationHandle handle,
                                      CUmemAllocationHandleType handleType,
                                      unsigned long long flags) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (shareableHandle == nullptr || flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (handleType != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  return call.driver->virtual_memory().Export(handle, static_cast<int*>(shareableHandle));
}

CUresult cuMemImportFromShareableHandle(CUmemGenericAllocationHandle* handle,
                                        void* osHandle,
                                        CUmemAllocationHandleType shHandleType) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (handle == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (shHandleType != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  uint64_t imported = 0;
  const auto descriptor = static_cast<int>(reinterpret_cast<intptr_t>(osHandle));
  FARLANE_SOFT_TRY(call.driver->virtual_memory().Import(descriptor, &imported));
  *handle = imported;
  return CUDA_SUCCESS;
}

CUresult cuMemGetAllocationGranularity(size_t* granularity,
                                       const CUmemAllocationProp* prop,
                                       CUmemAllocationGranularity_flags option) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  const bool option_known =
      option == CU_MEM_ALLOC_GRANULARITY_MINIMUM || option == CU_MEM_ALLOC_GRANULARITY_RECOMMENDED;
  if (granularity == nullptr || prop == nullptr || !option_known) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  int device = 0;
  FARLANE_SOFT_TRY(DeviceOf(call, *prop, &device));
  *granularity = kFrameBytes;
  return CUDA_SUCCESS;
}

CUresult cuMemGetAllocationPropertiesFromHandle(CUmemAllocationProp* prop,
                                                CUmemGenericAllocationHandle handle) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (prop == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return call.driver->virtual_memory().Properties(handle, prop);
}

CUresult cuMemRetainAllocationHandle(CUmemGenericAllocationHandle* handle, void* addr) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (handle == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  uint64_t retained = 0;
  FARLANE_SOFT_TRY(
      call.driver->virtual_memory().Retain(reinterpret_cast<uint64_t>(addr), &retained));
  *handle = retained;
  return CUDA_SUCCESS;
}

}  // namespace farlane::soft
