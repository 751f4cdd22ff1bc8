// SPDX-License-Identifier: Apache-2.0
#include "client-shim/mapped_host.h"

#include <mutex>

#include "protocol/base/bytes.h"

namespace farlane::shim {
namespace {

constexpr uint64_t kPageBytes = 4096;
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

CUresult AllocateMapped(const CallScope& scope, uint64_t bytes, uint32_t flags, void** pointer) {
  if (bytes == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (bytes > UINT64_MAX / 2) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  Session& session = scope.session();
  DeviceMemory& memory = session.memory(scope.device());
  uint64_t address = 0;
  // Whole pages: the program must not be able to write next to it.
  const uint64_t page_bytes = RoundUp(bytes, kPageBytes);
  CUresult result = memory.Allocate(page_bytes, scope.context(), &address, kPageBytes);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  result = session.mirrored().AddPages(scope.context(), MirrorKind::kMapped, address, page_bytes);
  if (result != CUDA_SUCCESS) {
    memory.Free(address);
    return result;
  }
  session.host_memory().Adopt(address, bytes, flags);
  *pointer = reinterpret_cast<void*>(address);
  return CUDA_SUCCESS;
}

}  // namespace

CUresult AllocateHost(const CallScope& scope, uint64_t bytes, uint32_t flags, void** pointer) {
  return (flags & CU_MEMHOSTALLOC_DEVICEMAP) != 0
             ? AllocateMapped(scope, bytes, flags, pointer)
             : scope.session().host_memory().Allocate(bytes, flags, pointer);
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
