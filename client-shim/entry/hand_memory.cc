// SPDX-License-Identifier: Apache-2.0
// Device memory and pinned host memory: who has what.
#include "client-shim/bodies.h"
#include "client-shim/call_scope.h"
#include "protocol/base/bytes.h"
#include "protocol/base/log.h"

namespace farlane::shim {
namespace {

// A row starts where every GPU can fetch it whole.
constexpr uint64_t kPitchAlign = 512;

constexpr unsigned kHostAllocFlags =
    CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED;
constexpr unsigned kHostRegisterFlags = CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP |
                                        CU_MEMHOSTREGISTER_IOMEMORY | CU_MEMHOSTREGISTER_READ_ONLY;

CUresult RemoveHost(void* pointer, bool registered, CUresult unknown) {
  Session* session = Process::Get().session();
  if (session == nullptr) {
    return Process::Get().Why();
  }
  const std::optional<PinnedRange> range = session->host_memory().Remove(pointer, registered);
  if (!range.has_value()) {
    return unknown;
  }
  // Data may still be on its way into it.
  const CUresult result = session->transfers().WaitForHost(pointer, range->bytes);
  HostMemory::Discard(*range);
  return result;
}

}  // namespace

CUresult cuMemAlloc_v2(CUdeviceptr* dptr, size_t bytesize) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (dptr == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  uint64_t address = 0;
  const CUresult result =
      scope.session().memory(scope.device()).Allocate(bytesize, scope.context(), &address);
  if (result == CUDA_SUCCESS) {
    *dptr = address;
  }
  return result;
}

CUresult cuMemAllocPitch_v2(CUdeviceptr* dptr,
                            size_t* pPitch,
                            size_t WidthInBytes,
                            size_t Height,
                            unsigned int ElementSizeBytes) {
  const bool element = ElementSizeBytes == 4 || ElementSizeBytes == 8 || ElementSizeBytes == 16;
  if (pPitch == nullptr || WidthInBytes == 0 || Height == 0 || !element ||
      WidthInBytes > UINT64_MAX / 2) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const uint64_t pitch = RoundUp(WidthInBytes, kPitchAlign);
  if (Height > UINT64_MAX / pitch) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const CUresult result = cuMemAlloc_v2(dptr, pitch * Height);
  if (result == CUDA_SUCCESS) {
    *pPitch = pitch;
  }
  return result;
}

CUresult cuMemFree_v2(CUdeviceptr dptr) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS || dptr == 0) {
    return scope.result();
  }
  const int32_t device = scope.session().DeviceOfAddress(dptr);
  if (device < 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  scope.session().managed().Remove(dptr);
  return scope.session().memory(device).Free(dptr);
}

CUresult cuMemGetInfo_v2(size_t* free, size_t* total) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (free == nullptr || total == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  uint64_t free_bytes = 0;
  uint64_t total_bytes = 0;
  const CUresult result = scope.session().memory(scope.device()).Info(&free_bytes, &total_bytes);
  if (result == CUDA_SUCCESS) {
    *free = free_bytes;
    *total = total_bytes;
  }
  return result;
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr* pbase, size_t* psize, CUdeviceptr dptr) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  const int32_t device = scope.session().DeviceOfAddress(dptr);
  const std::optional<AddressRange> range =
      device < 0 ? std::nullopt : scope.session().memory(device).Find(dptr);
  if (!range.has_value()) {
    return CUDA_ERROR_NOT_FOUND;
  }
  if (pbase != nullptr) {
    *pbase = range->address;
  }
  if (psize != nullptr) {
    *psize = range->bytes;
  }
  return CUDA_SUCCESS;
}

CUresult cuMemHostAlloc(void** pp, size_t bytesize, unsigned int Flags) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (pp == nullptr || (Flags & ~kHostAllocFlags) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return scope.session().host_memory().Allocate(bytesize, Flags, pp);
}

CUresult cuMemAllocHost_v2(void** pp, size_t bytesize) {
  return cuMemHostAlloc(pp, bytesize, 0);
}

CUresult cuMemAllocHost(void** pp, unsigned int bytesize) {
  return cuMemHostAlloc(pp, bytesize, 0);
}

CUresult cuMemFreeHost(void* p) {
  return RemoveHost(p, false, CUDA_ERROR_INVALID_VALUE);
}

CUresult cuMemHostRegister_v2(void* p, size_t bytesize, unsigned int Flags) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if ((Flags & ~kHostRegisterFlags) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return scope.session().host_memory().Register(p, bytesize, Flags);
}

CUresult cuMemHostRegister(void* p, size_t bytesize, unsigned int Flags) {
  return cuMemHostRegister_v2(p, bytesize, Flags);
}

CUresult cuMemHostUnregister(void* p) {
  return RemoveHost(p, true, CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
}

CUresult cuMemHostGetFlags(unsigned int* pFlags, void* p) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  const std::optional<PinnedRange> range = scope.session().host_memory().Find(p);
  if (pFlags == nullptr || !range.has_value()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *pFlags = range->flags;
  return CUDA_SUCCESS;
}

CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr*, void*, unsigned int) {
  const CallScope scope;
  return scope.result() != CUDA_SUCCESS ? scope.result()
                                        : Missing("cuMemHostGetDevicePointer (mapped host memory)");
}

}  // namespace farlane::shim
