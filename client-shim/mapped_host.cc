// SPDX-License-Identifier: Apache-2.0
#include "client-shim/mapped_host.h"

#include <mutex>

#include "protocol/base/bytes.h"

namespace farlane::shim {
namespace {

// What is aligned on the host is as well aligned on the device.
constexpr uint64_t kOffsetMask = Arena::kAlignBytes - 1;

// One thread maps at a time, or a range asked for twice would be mapped twice.
// Not Guarded: it keeps askers apart while memory is had.
std::mutex& Mapping() {
  static auto* const mutex = new std::mutex();  // never destroyed: exit handlers may ask
  return *mutex;
}

CUresult MapRange(const CallScope& scope, const PinnedRange& range, uint64_t* device_address) {
  DeviceMemory& memory = scope.session().memory(scope.device());
  const uint64_t offset = range.address & kOffsetMask;
  uint64_t base = 0;
  CUresult result = memory.Allocate(offset + range.bytes, scope.context(), &base);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  *device_address = base + offset;
  result = scope.session().mirrored().AddHost(scope.context(), base, *device_address,
                                              reinterpret_cast<void*>(range.address), range.bytes,
                                              !range.registered);
  if (result != CUDA_SUCCESS) {
    memory.Free(base);
    return result;
  }
  scope.session().host_memory().NoteMapped(range.address, *device_address, base);
  return CUDA_SUCCESS;
}

}  // namespace

CUresult AllocateMirrored(const CallScope& scope,
                          MirrorKind kind,
                          uint64_t bytes,
                          CUdeviceptr* address) {
  DeviceMemory& memory = scope.session().memory(scope.device());
  // Whole pages: the program must not be able to write next to it.
  const uint64_t page_bytes = RoundUp(bytes, kPageBytes);
  uint64_t pages = 0;
  CUresult result = memory.Allocate(page_bytes, scope.context(), &pages, kPageBytes);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  result = scope.session().mirrored().AddPages(scope.context(), kind, pages, page_bytes);
  if (result != CUDA_SUCCESS) {
    memory.Free(pages);
    return result;
  }
  *address = pages;
  return CUDA_SUCCESS;
}

CUresult AllocateHost(const CallScope& scope, uint64_t bytes, uint32_t flags, void** pointer) {
  if ((flags & CU_MEMHOSTALLOC_DEVICEMAP) == 0) {
    return scope.session().host_memory().Allocate(bytes, flags, pointer);
  }
  if (bytes == 0 || bytes > UINT64_MAX / 2) {
    return bytes == 0 ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_OUT_OF_MEMORY;
  }
  CUdeviceptr address = 0;
  const CUresult result = AllocateMirrored(scope, MirrorKind::kMapped, bytes, &address);
  if (result == CUDA_SUCCESS) {
    scope.session().host_memory().Adopt(address, bytes, flags);
    *pointer = reinterpret_cast<void*>(address);
  }
  return result;
}

CUresult MapHost(const CallScope& scope, const void* pointer, CUdeviceptr* address) {
  const std::lock_guard<std::mutex> lock(Mapping());
  const std::optional<PinnedRange> range = scope.session().host_memory().Find(pointer);
  if (!range.has_value()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  uint64_t start = range->device_address;
  if (start == 0) {
    const CUresult result = MapRange(scope, *range, &start);
    if (result != CUDA_SUCCESS) {
      return result;
    }
  }
  *address = start + (reinterpret_cast<uint64_t>(pointer) - range->address);
  return CUDA_SUCCESS;
}

void UnmapHost(Session& session, const PinnedRange& range) {
  if (range.device_address == 0) {
    return;
  }
  session.mirrored().Remove(range.allocation);
  session.memory(session.DeviceOfAddress(range.allocation)).Free(range.allocation);
}

}  // namespace farlane::shim
