// SPDX-License-Identifier: Apache-2.0
// What can be asked about an address.
#include <cstring>
#include <optional>

#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

template <typename T>
CUresult Put(void* data, T value) {
  std::memcpy(data, &value, sizeof(T));
  return CUDA_SUCCESS;
}

CUmemorytype TypeOf(const MemoryRange& range) {
  return range.host() ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
}

CUresult PutAccess(void* data, const MemoryRange& range) {
  unsigned int flags = CU_POINTER_ATTRIBUTE_ACCESS_FLAG_NONE;
  switch (range.PageAccess()) {
    case Access::kNone:
      break;
    case Access::kRead:
      flags = CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READ;
      break;
    case Access::kReadWrite:
      flags = CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE;
      break;
  }
  return Put(data, flags);
}

// What the program mapped by itself lies in a range that it reserved; anything else is its own
// range.
VirtualMemory::Reservation RangeOf(const PlainCall& call, const MemoryRange& range) {
  return call.driver->virtual_memory()
      .ReservationAround(range.base)
      .value_or(VirtualMemory::Reservation{.base = range.base, .size_bytes = range.size_bytes});
}

CUresult PutDevicePointer(const PlainCall& call,
                          void* data,
                          uint64_t address,
                          const MemoryRange& range) {
  uint64_t alias = address;
  if (range.kind == MemoryKind::kRegistered &&
      call.driver->host_memory().aliases().Find(range, address, &alias) != CUDA_SUCCESS) {
    return CUDA_ERROR_INVALID_VALUE;  // kernels cannot reach it
  }
  return Put(data, static_cast<CUdeviceptr>(alias));
}

// What is asked about what the address has; nothing of it can be said of unknown memory.
CUresult OfRange(const PlainCall& call,
                 void* data,
                 CUpointer_attribute attribute,
                 uint64_t address,
                 const MemoryRange& range) {
  const bool managed = range.kind == MemoryKind::kManaged;
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
      return Put(data, AsHandle<CUcontext>(range.context));
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      return Put(data, TypeOf(range));
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
      return PutDevicePointer(call, data, address, range);
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
      if (range.kind == MemoryKind::kAlias) {
        return Put(data, call.driver->host_memory().aliases().HostAddress(address));
      }
      return range.host() || managed ? Put(data, address) : CUDA_ERROR_INVALID_VALUE;
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
      return Put(data, static_cast<int>(range.sync_copies));
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
      return Put(data, static_cast<unsigned long long>(range.buffer_id));
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
      return Put(data, static_cast<int>(managed));
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      return Put(data, range.device);
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
      return Put(data, 0);
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
      return Put(data, static_cast<CUdeviceptr>(RangeOf(call, range).base));
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
      return Put(data, static_cast<size_t>(RangeOf(call, range).size_bytes));
    case CU_POINTER_ATTRIBUTE_MAPPED:
      return Put(data, 1);
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
      return Put(data, 0);
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
      return PutAccess(data, range);
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
      return Put(data, static_cast<CUmemoryPool>(nullptr));
    case CU_POINTER_ATTRIBUTE_MAPPING_SIZE:
      return Put(data, static_cast<size_t>(range.size_bytes));
    case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR:
      return Put(data, range.base);
    case CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID:
      return Put(data, static_cast<unsigned long long>(range.buffer_id));
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

// cuPointerGetAttributes answers for unknown memory too: everything is empty.
CUresult OfUnknown(void* data, CUpointer_attribute attribute) {
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
    case CU_POINTER_ATTRIBUTE_MAPPING_SIZE:
    case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR:
    case CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID:
      return Put(data, uint64_t{0});
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      return Put(data, -2);  // the manual's "no device"
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
    case CU_POINTER_ATTRIBUTE_MAPPED:
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
      return Put(data, 0);
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

}  // namespace

CUresult cuPointerGetAttribute(void* data, CUpointer_attribute attribute, CUdeviceptr ptr) {
  const PlainCall call;  // needs no context
  FARLANE_SOFT_TRY(call.result);
  if (data == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto range = call.driver->space().table().Find(ptr);
  return range ? OfRange(call, data, attribute, ptr, *range) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuPointerGetAttributes(unsigned int numAttributes,
                                CUpointer_attribute* attributes,
                                void** data,
                                CUdeviceptr ptr) {
  const PlainCall call;  // needs no context
  FARLANE_SOFT_TRY(call.result);
  if (attributes == nullptr || data == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto range = call.driver->space().table().Find(ptr);
  for (unsigned int i = 0; i < numAttributes; ++i) {
    if (data[i] == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    const bool answered =
        range && OfRange(call, data[i], attributes[i], ptr, *range) == CUDA_SUCCESS;
    if (!answered) {
      FARLANE_SOFT_TRY(OfUnknown(data[i], attributes[i]));
    }
  }
  return CUDA_SUCCESS;
}

CUresult cuPointerSetAttribute(const void* value, CUpointer_attribute attribute, CUdeviceptr ptr) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (value == nullptr || attribute != CU_POINTER_ATTRIBUTE_SYNC_MEMOPS) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (!call.driver->space().table().Find(ptr)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  unsigned int on = 0;
  std::memcpy(&on, value, sizeof on);
  call.driver->space().table().SetSyncCopies(ptr, on != 0);
  return CUDA_SUCCESS;
}

}  // namespace farlane::soft
