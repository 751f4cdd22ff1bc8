// SPDX-License-Identifier: Apache-2.0
#include "client-shim/mirrored_memory.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/mman.h>

#include "client-shim/mirror_merge.h"
#include "client-shim/session.h"
#include "protocol/base/bytes.h"
#include "protocol/base/log.h"

namespace farlane::shim {
namespace {

void* At(uint64_t address) {
  return reinterpret_cast<void*>(address);
}

std::byte* Host(const Mirror& place) {
  return reinterpret_cast<std::byte*>(place.host_address);
}

}  // namespace

// ---- what is mirrored

// Memory of ours only: the program may have plans of its own for its pages. Small managed memory is
// taken away from the program instead, which shows as well that nothing was written.
void MirroredMemory::TrackWrites(Region* region) {
  const Mirror& place = region->place;
  region->holdable = region->has_pages && place.kind == MirrorKind::kManaged &&
                     place.bytes <= TouchWaits::kBytesMax && touch_waits_.works();
  if (region->holdable) {
    region->tracked = false;
    return;
  }
  region->tracked = region->tracked && session_.config().track_writes &&
                    writes_.Track(place.host_address, RoundUp(place.bytes, kPageBytes));
}

// From here on both sides keep what they have in common: nothing but zeros as yet.
void MirroredMemory::Share(Region* region) {
  region->known = std::make_unique<std::byte[]>(region->place.bytes);
  session_.Post(
      0, wire::MirrorBegin{.address = region->place.device_address, .bytes = region->place.bytes});
}

CUresult MirroredMemory::AddZeroed(wire::Handle context, uint64_t allocation, Region region) {
  return regions_.With([&](Regions& regions) {
    TrackWrites(&region);
    const wire::Handle stream = lanes_.StreamOf(context);
    if (stream == 0) {
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    Share(&region);
    session_.Post(context, wire::MemsetD8Async{.dstDevice = region.place.device_address,
                                               .N = region.place.bytes,
                                               .hStream = stream});
    lanes_.NoteSent(context);
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
    const CUresult mapped = MapVariable(regions, &region);
    if (mapped != CUDA_SUCCESS) {
      return mapped;
    }
    Share(&region);
    const CUresult result = session_.transfers().FetchChanges(
        context, 0, {{address, Host(region.place), region.known.get(), bytes}});
    // Kernels may have written it all the time.
    region.ahead = true;
    device_ahead_.store(true, std::memory_order_relaxed);
    regions[address] = std::move(region);
    count_.fetch_add(1, std::memory_order_relaxed);
    return result;
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
    session_.Post(0, wire::MirrorEnd{.address = region.place.device_address});
    touch_waits_.guard().PutBack(region.place.host_address);
    if (region.has_pages) {
      ReturnPages(allocation, region.place.bytes);
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

CUresult MirroredMemory::Attach(uint64_t address, unsigned int flags) {
  return regions_.With([&](Regions& regions) {
    Region* const region = Around(&regions, address);
    if (region != nullptr) {
      region->attached = flags != CU_MEM_ATTACH_GLOBAL;
    }
    if (region != nullptr && region->attached && IsHeld(*region)) {
      touch_waits_.guard().PutBack(region->place.host_address);
    }
    return CUDA_SUCCESS;
  });
}

bool MirroredMemory::IsHeld(const Region& region) const {
  return region.holdable && touch_waits_.guard().ContentsOf(region.place.host_address) != 0;
}

// Where its bytes lie now.
std::byte* MirroredMemory::Contents(const Region& region) const {
  const uint64_t held =
      region.holdable ? touch_waits_.guard().ContentsOf(region.place.host_address) : 0;
  return held != 0 ? reinterpret_cast<std::byte*>(held) : Host(region.place);
}

// Takes from the program what work that is about to be posted may use.
void MirroredMemory::Hold(wire::Handle context, const Regions& regions) {
  const auto is_due = [](const auto& entry) {
    return entry.second.holdable && entry.second.ahead && !entry.second.attached;
  };
  const auto due = std::count_if(regions.begin(), regions.end(), is_due);
  if (due == 0 || static_cast<size_t>(due) > TouchWaits::kPiecesMax ||
      !touch_waits_.MayHold(context)) {
    return;
  }
  for (const auto& entry : regions) {
    if (is_due(entry) && !IsHeld(entry.second)) {
      const Mirror& place = entry.second.place;
      touch_waits_.Hold(context, place.host_address, RoundUp(place.bytes, kPageBytes));
    }
  }
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
                                   RowShape{.width = bytes, .mirrored = true});
}

CUresult MirroredMemory::SendRegion(wire::Handle context, Region* region) {
  const Mirror& place = region->place;
  if (IsHeld(*region)) {
    return CUDA_SUCCESS;  // nobody has changed it since it was sent
  }
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
  const uint64_t unit = region->ahead ? kMirrorWordBytes : kPageBytes;
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

CUresult MirroredMemory::SendAll(wire::Handle context, const std::vector<Region*>& regions) {
  if (lanes_.StreamOf(context) == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const uint64_t before = session_.work();
  CUresult result = CUDA_SUCCESS;
  for (Region* region : regions) {
    result = result == CUDA_SUCCESS ? SendRegion(context, region) : result;
  }
  if (session_.work() != before) {
    lanes_.NoteSent(context);
  }
  return result;
}

MirroredMemory::Region* MirroredMemory::Around(Regions* regions, uint64_t device_address) {
  const auto after = regions->upper_bound(device_address);
  if (device_address == 0 || after == regions->begin()) {
    return nullptr;
  }
  Region& region = std::prev(after)->second;
  return device_address - region.place.device_address < region.place.bytes ? &region : nullptr;
}

std::vector<MirroredMemory::Region*> MirroredMemory::Reached(Regions* regions,
                                                             const MirrorUse& use) {
  std::vector<Region*> reached;
  if (use.all) {
    for (auto& [allocation, region] : *regions) {
      reached.push_back(&region);
    }
    return reached;
  }
  Region* const read = Around(regions, use.read);
  Region* const written = Around(regions, use.written);
  for (Region* region : {read, written == read ? nullptr : written}) {
    if (region != nullptr) {
      reached.push_back(region);
    }
  }
  return reached;
}

CUresult MirroredMemory::BeginSend(wire::Handle context,
                                   wire::Handle stream,
                                   const MirrorUse& use) {
  return regions_.With([&](Regions& regions) {
    posting_.fetch_add(1, std::memory_order_relaxed);
    const std::vector<Region*> reached = Reached(&regions, use);
    if (reached.empty()) {
      return CUDA_SUCCESS;
    }
    const CUresult result = SendAll(context, reached);
    lanes_.Order(context, stream);
    Region* const written = Around(&regions, use.written);
    for (Region* region : reached) {
      if (use.all || region == written) {
        region->ahead = true;
        device_ahead_.store(true, std::memory_order_relaxed);
      }
    }
    Hold(context, regions);
    return result;
  });
}

CUresult MirroredMemory::SendToRunning(wire::Handle context) {
  if (!is_behind()) {
    return CUDA_SUCCESS;
  }
  return regions_.With([&](Regions& regions) {
    std::vector<Region*> running;
    for (auto& [allocation, region] : regions) {
      const bool is_quick = region.holdable || (region.tracked && !region.written);
      if (region.ahead && (is_quick || region.place.kind == MirrorKind::kMapped)) {
        running.push_back(&region);
      }
    }
    return running.empty() ? CUDA_SUCCESS : SendAll(context, running);
  });
}

CUresult MirroredMemory::SendAndWait(wire::Handle context) {
  return regions_.With([&](Regions& regions) {
    const CUresult result = SendAll(context, Reached(&regions, MirrorUse()));
    return result == CUDA_SUCCESS ? lanes_.Wait(context) : result;
  });
}

// ---- from the device

CUresult MirroredMemory::FetchAhead(wire::Handle context, Regions* regions) {
  const wire::Handle stream = lanes_.StreamOf(context);
  if (stream == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const PageGuard::Use use(touch_waits_.guard());
  std::vector<MirroredPart> parts;
  for (auto& [allocation, region] : *regions) {
    if (region.ahead) {
      parts.push_back({.device_address = region.place.device_address,
                       .now = Contents(region),
                       .known = region.known.get(),
                       .bytes = region.place.bytes});
    }
  }
  // What was sent on another context's lane has to be there, or it would look like the device's.
  lanes_.Order(context, stream);
  const CUresult result = session_.transfers().FetchChanges(context, stream, parts);
  if (result == CUDA_SUCCESS) {
    lanes_.NoteWaited(context);
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
    const CUresult result = FetchAhead(context, &regions);
    touch_waits_.LetGo();
    if (quiet && result == CUDA_SUCCESS) {
      for (auto& [allocation, region] : regions) {
        region.ahead = false;
      }
      device_ahead_.store(false, std::memory_order_relaxed);
    }
    return result;
  });
}

}  // namespace farlane::shim
