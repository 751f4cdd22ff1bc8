// SPDX-License-Identifier: Apache-2.0
#include "client-shim/mirrored_memory.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/mman.h>

#include "client-shim/session.h"
#include "protocol/base/bytes.h"
#include "protocol/base/log.h"

namespace farlane::shim {
namespace {

// Both sides may change words of one page between two waits.
constexpr uint64_t kWordBytes = 4;
// As much as this is fetched at once, into memory beside the program's.
constexpr uint64_t kFetchBytes = 32ull << 20;

void* At(uint64_t address) {
  return reinterpret_cast<void*>(address);
}

std::byte* Host(const Mirror& place) {
  return reinterpret_cast<std::byte*>(place.host_address);
}

}  // namespace

// ---- what is mirrored

// Memory of ours only: the program may have plans of its own for its pages.
void MirroredMemory::TrackWrites(Region* region) {
  const Mirror& place = region->place;
  region->tracked = region->tracked && session_.config().track_writes &&
                    writes_.Track(place.host_address, RoundUp(place.bytes, kPageBytes));
}

CUresult MirroredMemory::AddZeroed(wire::Handle context, uint64_t allocation, Region region) {
  return regions_.With([&](Regions& regions) {
    TrackWrites(&region);
    const wire::Handle stream = lanes_.StreamOf(context);
    if (stream == 0) {
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    session_.Post(context, wire::MemsetD8Async{.dstDevice = region.place.device_address,
                                               .N = region.place.bytes,
                                               .hStream = stream});
    lanes_.NoteSent(context);
    region.known = std::make_unique<std::byte[]>(region.place.bytes);
    regions[allocation] = std::move(region);
    count_.fetch_add(1, std::memory_order_relaxed);
    return CUDA_SUCCESS;
  });
}

CUresult MirroredMemory::AddPages(wire::Handle context,
                                  MirrorKind kind,
                                  uint64_t address,
                                  uint64_t bytes) {
  if (mprotect(At(address), RoundUp(bytes, kPageBytes), PROT_READ | PROT_WRITE) != 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  return AddZeroed(
      context, address,
      Region{.place = {kind, address, address, bytes}, .has_pages = true, .tracked = true});
}

CUresult MirroredMemory::AddHost(wire::Handle context,
                                 uint64_t allocation,
                                 uint64_t device_address,
                                 void* host,
                                 uint64_t bytes,
                                 bool is_ours) {
  const auto at = reinterpret_cast<uint64_t>(host);
  return AddZeroed(context, allocation,
                   Region{.place = {MirrorKind::kMapped, device_address, at, bytes},
                          .tracked = is_ours,
                          .written = true});
}

// Variables may share a page.
CUresult MirroredMemory::MapVariable(const Regions& regions, Region* region) {
  const uint64_t start = RoundDown(region->place.host_address, kPageBytes);
  const uint64_t size =
      RoundUp(region->place.host_address + region->place.bytes, kPageBytes) - start;
  const bool shared = std::any_of(regions.begin(), regions.end(), [&](const auto& entry) {
    const Region& other = entry.second;
    return other.mapped_bytes != 0 && start >= other.mapped_address &&
           start + size <= other.mapped_address + other.mapped_bytes;
  });
  if (shared) {
    return CUDA_SUCCESS;
  }
  void* got = mmap(At(start), size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (got != At(start)) {
    LogError("a managed variable lies at %#llx on the GPU, where this process has something else",
             static_cast<unsigned long long>(region->place.host_address));
    return CUDA_ERROR_MAP_FAILED;
  }
  region->mapped_address = start;
  region->mapped_bytes = size;
  return CUDA_SUCCESS;
}

CUresult MirroredMemory::AddVariable(wire::Handle context, uint64_t address, uint64_t bytes) {
  return regions_.With([&](Regions& regions) {
    Region region{.place = {MirrorKind::kManaged, address, address, bytes}};
    CUresult result = MapVariable(regions, &region);
    if (result == CUDA_SUCCESS) {
      result = session_.transfers().Receive(context, 0, At(address), address,
                                            RowShape{.width = bytes}, true);
    }
    if (result != CUDA_SUCCESS) {
      return result;
    }
    region.known = std::make_unique<std::byte[]>(bytes);
    memcpy(region.known.get(), At(address), bytes);
    regions[address] = std::move(region);
    count_.fetch_add(1, std::memory_order_relaxed);
    return CUDA_SUCCESS;
  });
}

void MirroredMemory::Remove(uint64_t allocation) {
  if (!any()) {
    return;
  }
  regions_.With([&](Regions& regions) {
    const auto found = regions.find(allocation);
    if (found == regions.end()) {
      return;
    }
    const Region& region = found->second;
    if (region.has_pages) {
      // Back to what the rest of the arena is, and nothing of the old content stays.
      if (mmap(At(allocation), RoundUp(region.place.bytes, kPageBytes), PROT_NONE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED) {
        LogWarn("%llu bytes of memory stay mapped: errno %d",
                static_cast<unsigned long long>(region.place.bytes), errno);
      }
    }
    regions.erase(found);
    count_.fetch_sub(1, std::memory_order_relaxed);
  });
}

std::optional<Mirror> MirroredMemory::FindDevice(uint64_t device_address) const {
  if (!any()) {
    return std::nullopt;
  }
  return regions_.With([device_address](const Regions& regions) -> std::optional<Mirror> {
    const auto after = regions.upper_bound(device_address);
    if (after == regions.begin()) {
      return std::nullopt;
    }
    const Mirror& place = std::prev(after)->second.place;
    return device_address - place.device_address < place.bytes ? std::optional(place)
                                                               : std::nullopt;
  });
}

std::optional<Mirror> MirroredMemory::FindHost(const void* host, uint64_t bytes) const {
  if (!any()) {
    return std::nullopt;
  }
  const auto address = reinterpret_cast<uint64_t>(host);
  return regions_.With([address, bytes](const Regions& regions) -> std::optional<Mirror> {
    for (const auto& [allocation, region] : regions) {
      const Mirror& place = region.place;
      const uint64_t in = address - place.host_address;
      if (in < place.bytes && bytes <= place.bytes - in) {
        return place;
      }
    }
    return std::nullopt;
  });
}

bool MirroredMemory::IsManaged(uint64_t address) const {
  const std::optional<Mirror> found = FindDevice(address);
  return found.has_value() && found->kind == MirrorKind::kManaged;
}

// ---- to the device

CUresult MirroredMemory::SendRun(wire::Handle context,
                                 Region* region,
                                 uint64_t at,
                                 uint64_t bytes) {
  // Sent from what is kept, so that both are the same whatever another thread writes meanwhile.
  memcpy(region->known.get() + at, Host(region->place) + at, bytes);
  return session_.transfers().Send(context, lanes_.StreamOf(context),
                                   region->place.device_address + at, region->known.get() + at,
                                   RowShape{.width = bytes});
}

CUresult MirroredMemory::SendRegion(wire::Handle context, Region* region) {
  const Mirror& place = region->place;
  if (!region->tracked || region->written) {
    region->written = false;
    return SendPart(context, region, 0, place.bytes);
  }
  CUresult result = CUDA_SUCCESS;
  for (const WrittenRange& written :
       writes_.Take(place.host_address, RoundUp(place.bytes, kPageBytes))) {
    const uint64_t at = written.address - place.host_address;
    const CUresult sent = SendPart(context, region, at, std::min(at + written.bytes, place.bytes));
    result = result == CUDA_SUCCESS ? sent : result;
  }
  region->written = result != CUDA_SUCCESS;  // what was not sent is found by comparing
  return result;
}

// `at` begins a page.
CUresult MirroredMemory::SendPart(wire::Handle context, Region* region, uint64_t at, uint64_t end) {
  const std::byte* now = Host(region->place);
  const std::byte* known = region->known.get();
  const auto differs = [=](uint64_t at, uint64_t unit) {
    return memcmp(now + at, known + at, std::min(unit, end - at)) != 0;
  };
  // Whole pages may go if the device has changed nothing since they were fetched.
  const uint64_t unit = device_ahead_.load(std::memory_order_relaxed) ? kWordBytes : kPageBytes;
  CUresult result = CUDA_SUCCESS;
  while (at < end && result == CUDA_SUCCESS) {
    if (at % kPageBytes == 0 && !differs(at, kPageBytes)) {
      at += kPageBytes;
      continue;
    }
    uint64_t stop = at;
    while (stop < end && differs(stop, unit)) {
      stop += unit;
    }
    if (stop == at) {
      at += unit;
      continue;
    }
    stop = std::min(stop, end);
    result = SendRun(context, region, at, stop - at);
    at = stop;
  }
  return result;
}

// ---- both ways

CUresult MirroredMemory::SendAll(wire::Handle context, Regions* regions) {
  if (lanes_.StreamOf(context) == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const uint64_t before = session_.work();
  CUresult result = CUDA_SUCCESS;
  for (auto entry = regions->begin(); entry != regions->end() && result == CUDA_SUCCESS; ++entry) {
    result = SendRegion(context, &entry->second);
  }
  if (session_.work() != before) {
    lanes_.NoteSent(context);
  }
  return result;
}

CUresult MirroredMemory::BeginSend(wire::Handle context, wire::Handle stream) {
  return regions_.With([&](Regions& regions) {
    const CUresult result = SendAll(context, &regions);
    lanes_.Order(context, stream);
    device_ahead_.store(true, std::memory_order_relaxed);
    posting_.fetch_add(1, std::memory_order_relaxed);
    return result;
  });
}

CUresult MirroredMemory::SendAndWait(wire::Handle context) {
  return regions_.With([&](Regions& regions) {
    const CUresult result = SendAll(context, &regions);
    return result == CUDA_SUCCESS ? lanes_.Wait(context) : result;
  });
}

// ---- from the device

void MirroredMemory::Merge(Region* region, uint64_t at, const std::byte* arrived, uint64_t bytes) {
  std::byte* now = Host(region->place) + at;
  std::byte* known = region->known.get() + at;
  for (uint64_t page = 0; page < bytes; page += kPageBytes) {
    const uint64_t page_end = std::min(bytes, page + kPageBytes);
    if (memcmp(arrived + page, known + page, page_end - page) == 0) {
      continue;  // the device has changed nothing here: the program's page is not even touched
    }
    for (uint64_t word = page; word < page_end; word += kWordBytes) {
      const uint64_t width = std::min(kWordBytes, page_end - word);
      if (memcmp(arrived + word, known + word, width) == 0) {
        continue;
      }
      if (memcmp(now + word, known + word, width) == 0) {
        memcpy(now + word, arrived + word, width);
      }
      memcpy(known + word, arrived + word, width);
    }
  }
}

CUresult MirroredMemory::Settle(wire::Handle context,
                                std::vector<Arriving>* arriving,
                                const std::byte* arrived,
                                uint64_t arrived_bytes) {
  CUresult result = lanes_.Wait(context);
  const CUresult landed = session_.transfers().WaitForHost(arrived, arrived_bytes);
  result = result == CUDA_SUCCESS ? landed : result;
  for (const Arriving& part : *arriving) {
    if (result == CUDA_SUCCESS) {
      Merge(part.region, part.at, arrived + part.offset, part.bytes);
    }
  }
  arriving->clear();
  return result;
}

CUresult MirroredMemory::FetchAll(wire::Handle context, Regions* regions) {
  const wire::Handle stream = lanes_.StreamOf(context);
  if (stream == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  uint64_t total = 0;
  for (const auto& [allocation, region] : *regions) {
    total += region.place.bytes;
  }
  const uint64_t room = std::min(total, kFetchBytes);
  const std::unique_ptr<std::byte[]> arrived(new std::byte[room]);
  std::vector<Arriving> arriving;
  uint64_t used = 0;
  CUresult result = CUDA_SUCCESS;
  for (auto& [allocation, region] : *regions) {
    for (uint64_t at = 0; at < region.place.bytes && result == CUDA_SUCCESS;) {
      const uint64_t bytes = std::min(room - used, region.place.bytes - at);
      result = session_.transfers().Receive(context, stream, arrived.get() + used,
                                            region.place.device_address + at,
                                            RowShape{.width = bytes}, false);
      arriving.push_back({.region = &region, .at = at, .bytes = bytes, .offset = used});
      at += bytes;
      used += bytes;
      if (used == room && result == CUDA_SUCCESS) {
        result = Settle(context, &arriving, arrived.get(), used);
        used = 0;
      }
    }
  }
  if (used != 0) {
    const CUresult settled = Settle(context, &arriving, arrived.get(), used);
    result = result == CUDA_SUCCESS ? settled : result;
  }
  return result;
}

CUresult MirroredMemory::Fetch(wire::Handle context) {
  if (!any() || !device_ahead_.load(std::memory_order_relaxed)) {
    return CUDA_SUCCESS;
  }
  return regions_.With([&](Regions& regions) {
    // A wait for one stream says nothing of the others, nor of what is just being posted: then the
    // next wait has to look again.
    const bool quiet = posting_.load(std::memory_order_acquire) == 0 && session_.IsQuiet();
    const CUresult result = FetchAll(context, &regions);
    if (quiet && result == CUDA_SUCCESS) {
      device_ahead_.store(false, std::memory_order_relaxed);
    }
    return result;
  });
}

}  // namespace farlane::shim
