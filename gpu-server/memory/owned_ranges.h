// SPDX-License-Identifier: Apache-2.0
// OwnedRanges are the addresses of a client that lie where the driver put them: globals of its
// modules.
#pragma once

#include <cstdint>
#include <map>

namespace farlane::server {

// Thread: one at a time (the dispatch thread).
class OwnedRanges {
 public:
  // `owner` is compared only, to take its ranges away again.
  void Add(uint64_t address, uint64_t bytes, const void* owner) {
    ranges_[address] = {.bytes = bytes, .owner = owner};
  }

  void RemoveAllOf(const void* owner) {
    std::erase_if(ranges_, [owner](const auto& entry) { return entry.second.owner == owner; });
  }

  bool Contain(uint64_t address, uint64_t bytes) const {
    auto after = ranges_.upper_bound(address);
    if (after == ranges_.begin()) {
      return false;
    }
    const auto& [start, range] = *--after;
    const uint64_t offset = address - start;
    return offset <= range.bytes && bytes <= range.bytes - offset;
  }

 private:
  struct Range {
    uint64_t bytes = 0;
    const void* owner = nullptr;
  };

  std::map<uint64_t, Range> ranges_;
};

}  // namespace farlane::server
