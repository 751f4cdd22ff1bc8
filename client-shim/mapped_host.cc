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

// What is still on its way into the memory would come after the kernel that is to see it.
CUresult AwaitArrivals(const CallScope& scope, const PinnedRange& range) {
  Session& session = scope.session();
  const CUresult result =
      session.transfers().WaitForHost(reinterpret_cast<void*>(range.address), range.bytes);
  return result == CUDA_SUCCESS && session.host_calls().any() ? session.Quiesce(scope.device())
                                                              : result;
}

CUresult OpenTo(VirtualMemory& memory, const PinnedRange& range, int32_t device) {
  CUmemAccessDesc access{};
  access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  access.location.id = device;
  access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  return memory.SetAccess(range.space.address, range.space.bytes, &access, 1);
}

// Memory of the device at the addresses that the program has already.
CUresult BackRange(const CallScope& scope, const PinnedRange& range) {
  VirtualMemory& memory = scope.session().virtual_memory();
  CUmemAllocationProp properties{};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  properties.location.id = scope.device();
  uint64_t physical = 0;
  CUresult result = memory.Create(range.space.bytes, properties, &physical);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  result = memory.Map(range.space.address, range.space.bytes, physical);
  static_cast<void>(memory.Release(physical));  // it lives as long as it is mapped
  result = result == CUDA_SUCCESS ? OpenTo(memory, range, scope.device()) : result;
  result = result == CUDA_SUCCESS ? scope.session().mirrored().AddHost(
                                        scope.context(), range.address, range.address,
                                        reinterpret_cast<void*>(range.address), range.bytes, true)
                                  : result;
  if (result != CUDA_SUCCESS) {
    static_cast<void>(memory.Unmap(range.space.address, range.space.bytes));
    return result;
  }
  scope.session().host_memory().NoteMapped(range.address, range.address, range.address);
  return CUDA_SUCCESS;
}

CUresult MapRange(const CallScope& scope, const PinnedRange& range, uint64_t* device_address) {
  if (range.space.bytes != 0) {
    *device_address = range.address;
    return BackRange(scope, range);
  }
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

// Unless another thread was faster.
CUresult MapOnce(const CallScope& scope, const void* pointer, uint64_t* device_address) {
  const std::lock_guard<std::mutex> lock(Mapping());
  const std::optional<PinnedRange> range = scope.session().host_memory().Find(pointer);
  if (!range.has_value()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *device_address = range->device_address;
  return *device_address != 0 ? CUDA_SUCCESS : MapRange(scope, *range, device_address);
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
  if (bytes == 0 || bytes > UINT64_MAX / 2) {
    return bytes == 0 ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_OUT_OF_MEMORY;
  }
  Session& session = scope.session();
  if ((flags & CU_MEMHOSTALLOC_DEVICEMAP) == 0) {
    const AddressRange space = session.pinned_space().Take(bytes).value_or(AddressRange());
    const CUresult result = session.host_memory().Allocate(bytes, flags, space, pointer);
    if (result != CUDA_SUCCESS && space.bytes != 0) {
      session.pinned_space().Return(space);
    }
    return result;
  }
  CUdeviceptr address = 0;
  const CUresult result = AllocateMirrored(scope, MirrorKind::kMapped, bytes, &address);
  if (result == CUDA_SUCCESS) {
    session.host_memory().Adopt(address, bytes, flags);
    *pointer = reinterpret_cast<void*>(address);
  }
  return result;
}

CUresult MapHost(const CallScope& scope, const void* pointer, CUdeviceptr* address) {
  const std::optional<PinnedRange> range = scope.session().host_memory().Find(pointer);
  if (!range.has_value()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  uint64_t start = range->device_address;
  if (start == 0) {
    // Before the lock is taken: meanwhile others may go on.
    CUresult result = AwaitArrivals(scope, *range);
    result = result == CUDA_SUCCESS ? MapOnce(scope, pointer, &start) : result;
    if (result != CUDA_SUCCESS) {
      return result;
    }
  }
  *address = start + (reinterpret_cast<uint64_t>(pointer) - range->address);
  return CUDA_SUCCESS;
}

CUresult MapNamed(const CallScope& scope, ConstBytes parameters) {
  Session& session = scope.session();
  CUresult result = CUDA_SUCCESS;
  session.pinned_space().ForEachNamed(parameters, [&](uint64_t word) {
    const auto* pointer = reinterpret_cast<const void*>(word);
    if (result != CUDA_SUCCESS || !session.host_memory().Find(pointer).has_value()) {
      return;  // a number, or a pointer that the kernel will not follow
    }
    CUdeviceptr mapped = 0;
    result = MapHost(scope, pointer, &mapped);
    const std::optional<PinnedRange> range = session.host_memory().Find(pointer);
    const std::optional<MappedRange> memory = session.virtual_memory().Find(word);
    const bool open = !range.has_value() || range->space.bytes == 0 || !memory.has_value() ||
                      memory->access.contains(scope.device());
    if (result == CUDA_SUCCESS && !open) {
      result = OpenTo(session.virtual_memory(), *range, scope.device());
    }
  });
  return result;
}

namespace {

void UnmapHost(Session& session, const PinnedRange& range) {
  session.mirrored().Remove(range.allocation);
  if (range.space.bytes != 0) {
    // Fails where the server is lost, and then there is nothing to unmap.
    static_cast<void>(session.virtual_memory().Unmap(range.space.address, range.space.bytes));
    return;
  }
  session.memory(session.DeviceOfAddress(range.allocation)).Free(range.allocation);
}

}  // namespace

void DiscardHost(Session& session, const PinnedRange& range) {
  if (range.device_address != 0) {
    UnmapHost(session, range);
  }
  HostMemory::Discard(range);
  if (range.space.bytes != 0) {
    session.pinned_space().Return(range.space);
  }
}

}  // namespace farlane::shim
