// SPDX-License-Identifier: Apache-2.0
// Memory pools that several processes use: one gives out, the others open what it names.
#include <cstring>

#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "protocol/base/fd.h"
#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

// What the descriptor of a pool holds. Plain bytes.
struct PoolBytes {
  static constexpr uint64_t kMagic = 0x316c706574666f73;  // of this layout

  uint64_t magic = kMagic;
  uint64_t serial = 0;
  uint32_t place = 0;  // of its device, among all that there are
  uint32_t reserved = 0;
};

static_assert(sizeof(CUmemPoolPtrExportData) == sizeof(CUipcMemHandle));

uint64_t Draw() {
  uint64_t serial = 0;
  while (serial == 0) {
    if (getrandom(&serial, sizeof serial, 0) != sizeof serial) {
      continue;  // a signal came first
    }
  }
  return serial;
}

}  // namespace

CUresult cuMemPoolExportToShareableHandle(void* handle_out,
                                          CUmemoryPool pool,
                                          CUmemAllocationHandleType handleType,
                                          unsigned long long flags) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (handle_out == nullptr || flags != 0 ||
      handleType != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  PoolBytes bytes;
  int device = 0;
  FARLANE_SOFT_TRY(call.driver->pools().With(HandleNumber(pool), [&](MemoryPool& found) {
    found.serial = found.for_others && found.serial == 0 ? Draw() : found.serial;
    bytes.serial = found.serial;
    device = found.device;
    return found.for_others ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  }));
  bytes.place = call.driver->space().frames(device)->place();
  Fd file(memfd_create("farlane-pool", MFD_CLOEXEC));
  if (!file.valid() || write(file.get(), &bytes, sizeof bytes) != sizeof bytes) {
    return CUDA_ERROR_OPERATING_SYSTEM;
  }
  const int descriptor = file.Release();
  memcpy(handle_out, &descriptor, sizeof descriptor);
  return CUDA_SUCCESS;
}

CUresult cuMemPoolImportFromShareableHandle(CUmemoryPool* pool_out,
                                            void* handle,
                                            CUmemAllocationHandleType handleType,
                                            unsigned long long flags) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  PoolBytes bytes;
  int device = 0;
  const auto descriptor = static_cast<int>(reinterpret_cast<intptr_t>(handle));
  if (pool_out == nullptr || flags != 0 || handleType != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR ||
      pread(descriptor, &bytes, sizeof bytes, 0) != sizeof bytes ||
      bytes.magic != PoolBytes::kMagic ||
      call.driver->space().FramesAt(bytes.place, &device) == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *pool_out = AsHandle<CUmemoryPool>(call.driver->pools().Import(device, bytes.serial));
  return CUDA_SUCCESS;
}

CUresult cuMemPoolExportPointer(CUmemPoolPtrExportData* shareData_out, CUdeviceptr ptr) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  uint64_t serial = 0;
  const uint64_t pool = call.driver->pools().PoolOf(ptr);
  FARLANE_SOFT_TRY(call.driver->pools().With(pool, [&serial](const MemoryPool& found) {
    serial = found.serial;
    return CUDA_SUCCESS;
  }));
  if (shareData_out == nullptr || serial == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  CUipcMemHandle name{};
  FARLANE_SOFT_TRY(call.driver->opened_memory().Name(ptr, serial, &name));
  memcpy(shareData_out, &name, sizeof name);
  return CUDA_SUCCESS;
}

CUresult cuMemPoolImportPointer(CUdeviceptr* ptr_out,
                                CUmemoryPool pool,
                                CUmemPoolPtrExportData* shareData) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (ptr_out == nullptr || shareData == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  uint64_t serial = 0;
  FARLANE_SOFT_TRY(call.driver->pools().With(HandleNumber(pool), [&](const MemoryPool& found) {
    serial = found.serial;
    return found.imported ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  }));
  CUipcMemHandle name{};
  memcpy(&name, shareData, sizeof name);
  uint64_t address = 0;
  const CUresult result =
      call.driver->opened_memory().Open(name, serial, call.context->handle(), &address);
  *ptr_out = result == CUDA_SUCCESS ? address : *ptr_out;
  return result == CUDA_ERROR_INVALID_HANDLE ? CUDA_ERROR_INVALID_VALUE : result;
}

}  // namespace farlane::soft
