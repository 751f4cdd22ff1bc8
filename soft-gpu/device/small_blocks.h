// SPDX-License-Identifier: Apache-2.0
// SmallBlocks cuts frames that already have an address into the small allocations that programs
// make by the hundred. It only counts: pages are mapped and unmapped by its owner.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "soft-gpu/device/physical_memory.h"

namespace farlane::soft {

constexpr uint64_t kSmallBlockBytesMax = 1_MiB;  // larger ones get frames of their own
constexpr uint64_t kBlockAlignBytes = 512;       // as drivers do; the manual promises 256

// A frame with its address.
struct Chunk {
  uint64_t base = 0;
  std::shared_ptr<PhysicalMemory> physical;
};

// Thread: caller's.
class SmallBlocks {
 public:
  // A block in a chunk that has room. `size_bytes` is a multiple of kBlockAlignBytes.
  std::optional<uint64_t> Allocate(uint64_t size_bytes, uint64_t align_bytes);
  void AddChunk(Chunk chunk);
  // Gives a block back. The chunk itself is handed out when that was its last block.
  std::optional<Chunk> Free(uint64_t address, uint64_t size_bytes);
  std::shared_ptr<PhysicalMemory> PhysicalOf(uint64_t address) const;

 private:
  struct Entry {
    Chunk chunk;
    uint64_t used_bytes = 0;
    std::map<uint64_t, uint64_t> free;  // address -> size; neighbours are merged
  };

  std::map<uint64_t, Entry> chunks_;
};

}  // namespace farlane::soft
