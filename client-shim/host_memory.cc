// SPDX-License-Identifier: Apache-2.0
#include "client-shim/host_memory.h"

#include <sys/mman.h>

#include "protocol/base/bytes.h"

namespace farlane::shim {
namespace {

using Ranges = std::map<uint64_t, PinnedRange>;

const PinnedRange* Around(const Ranges& ranges, uint64_t address) {
  auto after = ranges.upper_bound(address);
  if (after == ranges.begin()) {
    return nullptr;
  }
  --after;
  return address - after->first < after->second.bytes ? &after->second : nullptr;
}

}  // namespace

HostMemory::~HostMemory() = default;  // what is left belongs to a program that ends

CUresult HostMemory::Allocate(uint64_t bytes,
                              uint32_t flags,
                              const AddressRange& space,
                              void** pointer) {
  if (bytes == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (bytes > UINT64_MAX / 2) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const uint64_t page_bytes = RoundUp(bytes, kPageBytes);
  void* memory = reinterpret_cast<void*>(space.address);
  if (space.bytes == 0) {
    memory = mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  } else if (mprotect(memory, page_bytes, PROT_READ | PROT_WRITE) != 0) {
    memory = MAP_FAILED;
  }
  if (memory == MAP_FAILED) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const auto address = reinterpret_cast<uint64_t>(memory);
  ranges_.With([&](Ranges& ranges) {
    ranges[address] =
        PinnedRange{.address = address, .bytes = bytes, .flags = flags, .space = space};
  });
  *pointer = memory;
  return CUDA_SUCCESS;
}

void HostMemory::Adopt(uint64_t address, uint64_t bytes, uint32_t flags) {
  ranges_.With([&](Ranges& ranges) {
    ranges[address] = PinnedRange{.address = address,
                                  .bytes = bytes,
                                  .flags = flags,
                                  .device_address = address,
                                  .allocation = address};
  });
}

void HostMemory::NoteMapped(uint64_t address, uint64_t device_address, uint64_t allocation) {
  ranges_.With([&](Ranges& ranges) {
    const auto found = ranges.find(address);
    if (found != ranges.end()) {
      found->second.device_address = device_address;
      found->second.allocation = allocation;
    }
  });
}

void HostMemory::ForgetMapped(uint64_t allocation) {
  ranges_.With([&](Ranges& ranges) {
    for (auto entry = ranges.begin(); entry != ranges.end();) {
      PinnedRange& range = entry->second;
      const bool is_mapped = range.device_address != 0 && range.allocation == allocation;
      const bool pages_gone =
          is_mapped && range.device_address == range.address && range.space.bytes == 0;
      if (is_mapped) {
        range.device_address = 0;
      }
      entry = pages_gone ? ranges.erase(entry) : std::next(entry);
    }
  });
}

CUresult HostMemory::Register(void* pointer, uint64_t bytes, uint32_t flags) {
  if (pointer == nullptr || bytes == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto address = reinterpret_cast<uint64_t>(pointer);
  return ranges_.With([&](Ranges& ranges) {
    const auto next = ranges.lower_bound(address);
    const bool overlaps = Around(ranges, address) != nullptr ||
                          (next != ranges.end() && next->first - address < bytes);
    if (overlaps) {
      return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
    }
    ranges[address] =
        PinnedRange{.address = address, .bytes = bytes, .flags = flags, .registered = true};
    return CUDA_SUCCESS;
  });
}

std::optional<PinnedRange> HostMemory::Remove(void* pointer, bool registered) {
  return ranges_.With([&](Ranges& ranges) -> std::optional<PinnedRange> {
    const auto found = ranges.find(reinterpret_cast<uint64_t>(pointer));
    if (found == ranges.end() || found->second.registered != registered) {
      return std::nullopt;
    }
    const PinnedRange range = found->second;
    ranges.erase(found);
    return range;
  });
}

void HostMemory::Discard(const PinnedRange& range) {
  if (range.space.bytes != 0) {
    // Back to what all the space is, and nothing of the old content stays.
    ReturnPages(range.address, range.bytes);
  } else if (!range.registered && range.device_address != range.address) {
    munmap(reinterpret_cast<void*>(range.address), RoundUp(range.bytes, kPageBytes));
  }
}

std::optional<PinnedRange> HostMemory::Find(const void* pointer) const {
  return ranges_.With([&](const Ranges& ranges) -> std::optional<PinnedRange> {
    const PinnedRange* range = Around(ranges, reinterpret_cast<uint64_t>(pointer));
    return range == nullptr ? std::nullopt : std::optional(*range);
  });
}

bool HostMemory::IsPinned(const void* pointer, uint64_t bytes) const {
  const std::optional<PinnedRange> range = Find(pointer);
  return range.has_value() &&
         reinterpret_cast<uint64_t>(pointer) - range->address + bytes <= range->bytes;
}

}  // namespace farlane::shim
