// SPDX-License-Identifier: Apache-2.0
#include "client-shim/arena.h"

#include <algorithm>
#include <cerrno>

#include <sys/mman.h>

#include "protocol/base/bytes.h"
#include "protocol/base/check.h"
#include "protocol/base/log.h"

namespace farlane::shim {

Arena::Arena(uint64_t address, uint64_t bytes) {
  FARLANE_CHECK(bytes == 0 || AddSpace(address, bytes));
}

bool Arena::AddSpace(uint64_t address, uint64_t bytes) {
  bytes = RoundDown(bytes, kChunkBytes);
  const size_t count = spaces_count_.load(std::memory_order_relaxed);
  for (size_t i = 0; i < count; ++i) {
    const uint64_t end = spaces_[i].address + spaces_[i].bytes;
    if (end == address) {
      address += kChunkBytes;
      bytes -= std::min(bytes, kChunkBytes);
    }
    if (address + bytes == spaces_[i].address) {
      bytes -= std::min(bytes, kChunkBytes);
    }
  }
  if (address % kChunkBytes != 0 || bytes == 0 || count == kSpacesMax) {
    return false;
  }
  spaces_[count] = {address, bytes};
  bytes_ += bytes;
  spaces_count_.store(count + 1, std::memory_order_release);
  return true;
}

std::optional<uint64_t> Arena::Take(uint64_t bytes, uint64_t owner, uint64_t align) {
  if (bytes > bytes_) {
    return std::nullopt;
  }
  bytes = RoundUp(bytes == 0 ? 1 : bytes, kAlignBytes);
  auto fit = free_by_size_.lower_bound({bytes, 0});
  while (fit != free_by_size_.end() &&
         RoundUp(fit->second, align) - fit->second > fit->first - bytes) {
    ++fit;  // large enough, but not from an aligned address on
  }
  if (fit == free_by_size_.end()) {
    return std::nullopt;
  }
  AddressRange range{fit->second, fit->first};
  RemoveFree(free_.find(range.address));
  const uint64_t gap = RoundUp(range.address, align) - range.address;
  if (gap != 0) {
    AddFree({range.address, gap});
    range.address += gap;
    range.bytes -= gap;
  }
  if (range.bytes > bytes) {
    AddFree({range.address + bytes, range.bytes - bytes});
  }
  held_.emplace(range.address, AddressRange{range.address, bytes, owner});
  held_bytes_ += bytes;
  return range.address;
}

bool Arena::HasGap(uint64_t bytes) const {
  return bytes <= bytes_ && !free_by_size_.empty() &&
         free_by_size_.rbegin()->first >= RoundUp(bytes == 0 ? 1 : bytes, kAlignBytes);
}

void Arena::HandOver(uint64_t from, uint64_t to) {
  for (auto& [address, range] : held_) {
    range.owner = range.owner == from ? to : range.owner;
  }
}

std::vector<uint64_t> Arena::RecycleAllOf(uint64_t owner) {
  std::vector<uint64_t> addresses;
  for (auto held = held_.begin(); held != held_.end();) {
    const AddressRange range = held->second;
    held = range.owner == owner ? held_.erase(held) : std::next(held);
    if (range.owner == owner) {
      addresses.push_back(range.address);
      Recycle(range);
    }
  }
  return addresses;
}

std::optional<AddressRange> Arena::FindUnbacked(uint64_t bytes) const {
  if (bytes > bytes_) {
    return std::nullopt;
  }
  bytes = RoundUp(bytes, kChunkBytes);
  for (size_t i = 0; i < spaces_count_.load(std::memory_order_relaxed); ++i) {
    if (const std::optional<uint64_t> address = FindUnbackedIn(spaces_[i], bytes)) {
      return AddressRange{*address, bytes};
    }
  }
  return std::nullopt;
}

std::optional<uint64_t> Arena::FindUnbackedIn(const Space& space, uint64_t bytes) const {
  const uint64_t end = space.address + space.bytes;
  uint64_t gap = space.address;
  for (auto backed = occupied_.lower_bound(space.address);
       backed != occupied_.end() && backed->first < end; ++backed) {
    if (backed->first - gap >= bytes) {
      return gap;
    }
    gap = backed->first + backed->second;
  }
  return end - gap >= bytes ? std::optional(gap) : std::nullopt;
}

void Arena::AddBacked(AddressRange range) {
  FARLANE_CHECK(range.address % kChunkBytes == 0 && range.bytes % kChunkBytes == 0);
  Merge(&occupied_, range);
  backed_bytes_ += range.bytes;
  AddFree(range);
}

bool Arena::IsOccupied(AddressRange range) const {
  const auto after = occupied_.lower_bound(range.address + range.bytes);
  if (after == occupied_.begin()) {
    return false;
  }
  const auto& [address, bytes] = *std::prev(after);
  return address + bytes > range.address;
}

std::optional<uint64_t> Arena::Reserve(uint64_t bytes, uint64_t align, uint64_t hint) {
  align = std::max(align, kChunkBytes);
  if (bytes == 0 || bytes > bytes_) {
    return std::nullopt;
  }
  const size_t count = spaces_count_.load(std::memory_order_relaxed);
  for (size_t i = 0; i < count; ++i) {
    const uint64_t into = hint - spaces_[i].address;
    const bool fits =
        hint % align == 0 && into < spaces_[i].bytes && bytes <= spaces_[i].bytes - into;
    if (fits && !IsOccupied({hint, bytes})) {
      Merge(&occupied_, {hint, bytes});
      return hint;
    }
  }
  for (size_t i = 0; i < count; ++i) {
    if (const std::optional<uint64_t> place = PlaceIn(spaces_[i], bytes, align)) {
      Merge(&occupied_, {*place, bytes});
      return place;
    }
  }
  return std::nullopt;
}

// From the end on, since what is backed grows from the start.
std::optional<uint64_t> Arena::PlaceIn(const Space& space, uint64_t bytes, uint64_t align) const {
  uint64_t end = space.address + space.bytes;
  auto after = occupied_.lower_bound(end);
  while (true) {
    const auto before = after == occupied_.begin() ? occupied_.end() : std::prev(after);
    const bool last = before == occupied_.end() || before->first < space.address;
    const uint64_t start = last ? space.address : before->first + before->second;
    const uint64_t place = end - start >= bytes ? RoundDown(end - bytes, align) : 0;
    if (place >= start && place != 0) {
      return place;
    }
    if (last) {
      return std::nullopt;
    }
    end = before->first;
    after = before;
  }
}

void Arena::Unreserve(AddressRange range) {
  Cut(&occupied_, range);
}

void Arena::Pin(AddressRange chunks) {
  for (uint64_t at = 0; at < chunks.bytes; at += kChunkBytes) {
    pinned_.insert(chunks.address + at);
  }
}

// What lies between pinned chunks.
std::vector<AddressRange> Arena::RunsToGiveUp(uint64_t start, uint64_t end) const {
  std::vector<AddressRange> runs;
  const auto last = pinned_.lower_bound(end);
  for (auto pinned = pinned_.lower_bound(start); pinned != last; ++pinned) {
    if (start < *pinned) {
      runs.push_back({start, *pinned - start});
    }
    start = *pinned + kChunkBytes;
  }
  if (start < end) {
    runs.push_back({start, end - start});
  }
  return runs;
}

std::vector<AddressRange> Arena::GiveUpFreeChunks(uint64_t bytes_max) {
  std::vector<AddressRange> whole;
  uint64_t bytes = 0;
  for (const auto& [address, size] : free_) {
    const uint64_t start = RoundUp(address, kChunkBytes);
    const uint64_t end = RoundDown(address + size, kChunkBytes);
    if (start >= end) {
      continue;
    }
    for (const AddressRange& run : RunsToGiveUp(start, end)) {
      const uint64_t taken =
          bytes >= bytes_max ? 0 : std::min(run.bytes, RoundUp(bytes_max - bytes, kChunkBytes));
      if (taken != 0) {
        whole.push_back({run.address, taken});
        bytes += taken;
      }
    }
  }
  for (const AddressRange& range : whole) {
    const auto free = std::prev(free_.upper_bound(range.address));
    const AddressRange around{free->first, free->second};
    RemoveFree(free);
    if (around.address < range.address) {
      AddFree({around.address, range.address - around.address});
    }
    const uint64_t end = range.address + range.bytes;
    if (end < around.address + around.bytes) {
      AddFree({end, around.address + around.bytes - end});
    }
    Cut(&occupied_, range);
    backed_bytes_ -= range.bytes;
  }
  return whole;
}

std::optional<AddressRange> Arena::Release(uint64_t address) {
  const auto held = held_.find(address);
  if (held == held_.end()) {
    return std::nullopt;
  }
  const AddressRange range = held->second;
  held_.erase(held);
  return range;
}

void Arena::Recycle(AddressRange range) {
  held_bytes_ -= range.bytes;
  AddFree(range);
}

std::optional<AddressRange> Arena::Find(uint64_t address) const {
  auto after = held_.upper_bound(address);
  if (after == held_.begin()) {
    return std::nullopt;
  }
  --after;
  if (address - after->first >= after->second.bytes) {
    return std::nullopt;
  }
  return after->second;
}

void Arena::AddFree(AddressRange range) {
  // Neighbours that are free as well become one: both lie in backed memory, so the border between
  // them means nothing.
  const auto after = free_.lower_bound(range.address);
  if (after != free_.end() && after->first == range.address + range.bytes) {
    range.bytes += after->second;
    RemoveFree(after);
  }
  const auto next = free_.lower_bound(range.address);
  if (next != free_.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == range.address) {
      range = {before->first, before->second + range.bytes};
      RemoveFree(before);
    }
  }
  free_.emplace(range.address, range.bytes);
  free_by_size_.emplace(range.bytes, range.address);
}

void Arena::RemoveFree(Ranges::iterator where) {
  free_by_size_.erase({where->second, where->first});
  free_.erase(where);
}

void Arena::Merge(Ranges* ranges, AddressRange range) {
  const auto after = ranges->lower_bound(range.address);
  if (after != ranges->end() && after->first == range.address + range.bytes) {
    range.bytes += after->second;
    ranges->erase(after);
  }
  const auto next = ranges->lower_bound(range.address);
  if (next != ranges->begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == range.address) {
      before->second += range.bytes;
      return;
    }
  }
  ranges->emplace(range.address, range.bytes);
}

// Out of one of the ranges, which holds all of it.
void Arena::Cut(Ranges* ranges, AddressRange range) {
  const auto around = std::prev(ranges->upper_bound(range.address));
  const uint64_t start = around->first;
  const uint64_t end = start + around->second;
  ranges->erase(around);
  if (start < range.address) {
    ranges->emplace(start, range.address - start);
  }
  if (range.address + range.bytes < end) {
    ranges->emplace(range.address + range.bytes, end - (range.address + range.bytes));
  }
}

bool ReserveAddresses(const AddressRange& range) {
  // A server may say anything, and a pointer that was never set has to stay one that leads nowhere.
  if (range.bytes == 0 || range.address == 0) {
    return false;
  }
  void* wanted = reinterpret_cast<void*>(range.address);
  void* got = mmap(wanted, range.bytes, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (got != wanted && got != MAP_FAILED) {
    munmap(got, range.bytes);  // an old kernel took the address for a hint
  }
  return got == wanted;
}

void ReturnPages(uint64_t address, uint64_t bytes) {
  constexpr uint64_t kPage = 4096;
  if (mmap(reinterpret_cast<void*>(address), RoundUp(bytes, kPage), PROT_NONE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED) {
    LogWarn("%llu bytes of memory stay mapped: errno %d", static_cast<unsigned long long>(bytes),
            errno);
  }
}

}  // namespace farlane::shim
