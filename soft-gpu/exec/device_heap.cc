// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/device_heap.h"

#include <algorithm>
#include <iterator>

#include "protocol/base/bytes.h"

namespace farlane::soft {

DeviceHeap::~DeviceHeap() {
  blocks_.With([&](Blocks& blocks) {
    if (blocks.base != 0) {
      places_.Free(blocks.base);
    }
  });
}

Status DeviceHeap::Open() {
  return blocks_.With([&](Blocks& blocks) -> Status {
    if (blocks.base != 0) {
      return Status::Ok();
    }
    const uint64_t bytes = RoundUp(size_bytes_(), kHeapAlignBytes);
    FARLANE_ASSIGN(blocks.base, places_.Allocate(bytes, 256));
    blocks.free.emplace(0, bytes);
    return Status::Ok();
  });
}

uint64_t DeviceHeap::Allocate(uint64_t size_bytes) {
  return blocks_.With([&](Blocks& blocks) -> uint64_t {
    for (auto free = blocks.free.begin(); free != blocks.free.end(); ++free) {
      const auto [offset, room] = *free;
      if (room < size_bytes) {
        continue;
      }
      const uint64_t taken = std::max(RoundUp(size_bytes, kHeapAlignBytes), kHeapAlignBytes);
      blocks.free.erase(free);
      if (room > taken) {
        blocks.free.emplace(offset + taken, room - taken);
      }
      blocks.used.emplace(offset, taken);
      return blocks.base + offset;
    }
    return 0;
  });
}

bool DeviceHeap::Free(uint64_t address) {
  return blocks_.With([&](Blocks& blocks) {
    const auto used = blocks.used.find(address - blocks.base);
    if (blocks.base == 0 || used == blocks.used.end()) {
      return false;
    }
    auto [offset, bytes] = *used;
    blocks.used.erase(used);
    auto next = blocks.free.upper_bound(offset);
    if (next != blocks.free.end() && next->first == offset + bytes) {
      bytes += next->second;
      next = blocks.free.erase(next);
    }
    if (next != blocks.free.begin()) {
      const auto before = std::prev(next);
      if (before->first + before->second == offset) {
        before->second += bytes;
        return true;
      }
    }
    blocks.free.emplace(offset, bytes);
    return true;
  });
}

}  // namespace farlane::soft
