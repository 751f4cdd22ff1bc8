// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/memory_table.h"

#include <algorithm>
#include <iterator>

namespace farlane::soft {

Access MemoryRange::PageAccess() const {
  if (kind != MemoryKind::kMapped) {
    return Access::kReadWrite;
  }
  return *std::max_element(access.begin(), access.end());
}

MemoryTable::Ranges::const_iterator MemoryTable::At(const Ranges& ranges, uint64_t address) {
  auto range = ranges.upper_bound(address);
  if (range == ranges.begin()) {
    return ranges.end();
  }
  --range;
  return address - range->first < range->second.size_bytes ? range : ranges.end();
}

bool MemoryTable::Insert(MemoryRange range) {
  return table_.With([&](Table& table) {
    const auto next = table.ranges.lower_bound(range.base);
    if (At(table.ranges, range.base) != table.ranges.end() ||
        (next != table.ranges.end() && next->first - range.base < range.size_bytes)) {
      return false;
    }
    range.buffer_id = ++table.buffers;
    const uint64_t base = range.base;
    table.ranges.emplace(base, std::move(range));
    version_.fetch_add(1, std::memory_order_release);
    return true;
  });
}

std::optional<MemoryRange> MemoryTable::Take(uint64_t base,
                                             std::initializer_list<MemoryKind> kinds) {
  return table_.With([&](Table& table) -> std::optional<MemoryRange> {
    const auto found = table.ranges.find(base);
    if (found == table.ranges.end() ||
        std::find(kinds.begin(), kinds.end(), found->second.kind) == kinds.end()) {
      return std::nullopt;
    }
    MemoryRange range = std::move(found->second);
    table.ranges.erase(found);
    version_.fetch_add(1, std::memory_order_release);
    return range;
  });
}

std::optional<MemoryRange> MemoryTable::Find(uint64_t address) const {
  return table_.With([&](const Table& table) -> std::optional<MemoryRange> {
    const auto found = At(table.ranges, address);
    if (found == table.ranges.end()) {
      return std::nullopt;
    }
    return found->second;
  });
}

bool MemoryTable::Allows(uint64_t address, uint64_t size_bytes, Access wanted) const {
  return table_.With([&](const Table& table) {
    auto range = At(table.ranges, address);
    uint64_t left = size_bytes;
    while (range != table.ranges.end() && range->second.PageAccess() >= wanted) {
      const uint64_t here = range->second.end() - address;
      if (left <= here) {
        return true;
      }
      left -= here;
      address += here;
      range = At(table.ranges, address);
    }
    return false;
  });
}

bool MemoryTable::Touches(uint64_t address, uint64_t size_bytes) const {
  return table_.With([&](const Table& table) {
    if (At(table.ranges, address) != table.ranges.end()) {
      return true;
    }
    const auto next = table.ranges.lower_bound(address);
    return next != table.ranges.end() && next->first - address < size_bytes;
  });
}

std::vector<MemoryRange> MemoryTable::Cover(uint64_t base, uint64_t size_bytes) const {
  return table_.With([&](const Table& table) {
    std::vector<MemoryRange> cover;
    uint64_t covered = 0;
    for (auto range = table.ranges.find(base);
         range != table.ranges.end() && range->first == base + covered && covered < size_bytes;
         ++range) {
      covered += range->second.size_bytes;
      cover.push_back(range->second);
    }
    return covered == size_bytes ? cover : std::vector<MemoryRange>();
  });
}

std::vector<MemoryRange> MemoryTable::Meeting(uint64_t base, uint64_t size_bytes) const {
  return table_.With([&](const Table& table) {
    std::vector<MemoryRange> meeting;
    auto range = table.ranges.upper_bound(base);
    if (range != table.ranges.begin() &&
        base - std::prev(range)->first < std::prev(range)->second.size_bytes) {
      --range;
    }
    for (; range != table.ranges.end() && (range->first < base || range->first - base < size_bytes);
         ++range) {
      meeting.push_back(range->second);
    }
    return meeting;
  });
}

void MemoryTable::SetAccess(uint64_t base, int device, Access access) {
  table_.With([&](Table& table) {
    const auto found = table.ranges.find(base);
    if (found != table.ranges.end()) {
      found->second.access[static_cast<size_t>(device)] = access;
    }
  });
}

void MemoryTable::SetSyncCopies(uint64_t address, bool on) {
  table_.With([&](Table& table) {
    const auto found = At(table.ranges, address);
    if (found != table.ranges.end()) {
      table.ranges[found->first].sync_copies = on;
    }
  });
}

std::vector<MemoryRange> MemoryTable::OfContext(uint64_t context) const {
  return table_.With([&](const Table& table) {
    std::vector<MemoryRange> found;
    for (const auto& [base, range] : table.ranges) {
      if (range.context == context) {
        found.push_back(range);
      }
    }
    return found;
  });
}

std::optional<MemoryRange> MemoryTable::Nearest(uint64_t address) const {
  return table_.With([&](const Table& table) -> std::optional<MemoryRange> {
    const auto above = table.ranges.upper_bound(address);
    if (above == table.ranges.begin()) {
      return above == table.ranges.end() ? std::nullopt : std::optional(above->second);
    }
    const MemoryRange& below = std::prev(above)->second;
    const bool is_above_nearer = above != table.ranges.end() && address >= below.end() &&
                                 above->first - address <= address - below.end();
    return is_above_nearer ? above->second : below;
  });
}

}  // namespace farlane::soft
