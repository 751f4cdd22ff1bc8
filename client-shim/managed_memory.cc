// SPDX-License-Identifier: Apache-2.0
#include "client-shim/managed_memory.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/mman.h>

#include "client-shim/session.h"
#include "protocol/base/bytes.h"
#include "protocol/base/log.h"

namespace farlane::shim {
namespace {

constexpr uint64_t kPageBytes = 4096;

void* At(uint64_t address) {
  return reinterpret_cast<void*>(address);
}

}  // namespace

CUresult ManagedMemory::Add(
    wire::Handle context, uint64_t address, uint64_t bytes, bool in_arena, bool fetch) {
  return regions_.With([&](Regions& regions) {
    Region region{.bytes = bytes, .known = std::make_unique<std::byte[]>(bytes)};
    const uint64_t start = RoundDown(address, kPageBytes);
    const uint64_t size = RoundUp(address + bytes, kPageBytes) - start;
    if (in_arena) {
      if (mprotect(At(start), size, PROT_READ | PROT_WRITE) != 0) {
        return CUDA_ERROR_OUT_OF_MEMORY;
      }
    } else {
      const bool shared = std::any_of(regions.begin(), regions.end(), [&](const auto& entry) {
        const Region& other = entry.second;
        return other.mapped_bytes != 0 && start >= other.mapped_address &&
               start + size <= other.mapped_address + other.mapped_bytes;
      });
      if (!shared) {
        void* got = mmap(At(start), size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if (got != At(start)) {
          LogError(
              "a managed variable lies at %#llx on the GPU, where this process has something else",
              static_cast<unsigned long long>(address));
          return CUDA_ERROR_MAP_FAILED;
        }
        region.mapped_address = start;
        region.mapped_bytes = size;
      }
    }
    if (fetch) {
      const CUresult result = session_.transfers().Receive(context, 0, At(address), address,
                                                           RowShape{.width = bytes}, true);
      if (result != CUDA_SUCCESS) {
        return result;
      }
    }
    memcpy(region.known.get(), At(address), bytes);
    regions[address] = std::move(region);
    count_.fetch_add(1, std::memory_order_relaxed);
    return CUDA_SUCCESS;
  });
}

void ManagedMemory::Remove(uint64_t address) {
  regions_.With([&](Regions& regions) {
    const auto found = regions.find(address);
    if (found == regions.end()) {
      return;
    }
    if (found->second.mapped_bytes == 0 && session_.DeviceOfAddress(address) >= 0) {
      // Back to what the rest of the arena is, and nothing of the old content stays.
      void* const pages = At(RoundDown(address, kPageBytes));
      if (mmap(pages, RoundUp(found->second.bytes, kPageBytes), PROT_NONE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED) {
        LogWarn("%llu bytes of managed memory stay mapped: errno %d",
                static_cast<unsigned long long>(found->second.bytes), errno);
      }
    }
    regions.erase(found);
    count_.fetch_sub(1, std::memory_order_relaxed);
  });
}

bool ManagedMemory::Contains(uint64_t address) const {
  return any() && regions_.With([address](const Regions& regions) {
    auto after = regions.upper_bound(address);
    return after != regions.begin() &&
           address - std::prev(after)->first < std::prev(after)->second.bytes;
  });
}

CUresult ManagedMemory::SendRegion(wire::Handle context, uint64_t address, Region* region) {
  const auto* now = static_cast<const std::byte*>(At(address));
  std::byte* known = region->known.get();
  for (uint64_t at = 0; at < region->bytes;) {
    // A run of changed pages goes as one copy.
    uint64_t end = at;
    while (end < region->bytes &&
           memcmp(now + end, known + end, std::min(kPageBytes, region->bytes - end)) != 0) {
      end += std::min(kPageBytes, region->bytes - end);
    }
    if (end == at) {
      at += kPageBytes;
      continue;
    }
    const CUresult result =
        session_.transfers().Send(context, 0, address + at, now + at, RowShape{.width = end - at});
    if (result != CUDA_SUCCESS) {
      return result;
    }
    memcpy(known + at, now + at, end - at);
    at = end;
  }
  return CUDA_SUCCESS;
}

CUresult ManagedMemory::Send(wire::Handle context) {
  if (!any()) {
    return CUDA_SUCCESS;
  }
  device_ahead_.store(true, std::memory_order_relaxed);
  return regions_.With([&](Regions& regions) {
    CUresult result = CUDA_SUCCESS;
    for (auto entry = regions.begin(); entry != regions.end() && result == CUDA_SUCCESS; ++entry) {
      result = SendRegion(context, entry->first, &entry->second);
    }
    return result;
  });
}

CUresult ManagedMemory::Fetch(wire::Handle context) {
  if (!any() || !device_ahead_.load(std::memory_order_relaxed)) {
    return CUDA_SUCCESS;
  }
  // A wait for one stream says nothing of the others: then the next wait has to look again.
  if (session_.IsQuiet()) {
    device_ahead_.store(false, std::memory_order_relaxed);
  }
  return regions_.With([&](Regions& regions) {
    CUresult result = CUDA_SUCCESS;
    for (auto entry = regions.begin(); entry != regions.end() && result == CUDA_SUCCESS; ++entry) {
      const uint64_t address = entry->first;
      Region& region = entry->second;
      result = session_.transfers().Receive(context, 0, At(address), address,
                                            RowShape{.width = region.bytes}, true);
      memcpy(region.known.get(), At(address), region.bytes);
    }
    return result;
  });
}

}  // namespace farlane::shim
