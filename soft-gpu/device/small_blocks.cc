// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/small_blocks.h"

#include "protocol/base/check.h"

namespace farlane::soft {
namespace {

using FreeBlocks = std::map<uint64_t, uint64_t>;

std::optional<uint64_t> Cut(FreeBlocks* free, uint64_t size_bytes, uint64_t align_bytes) {
  for (const auto& [base, block_bytes] : *free) {
    const uint64_t start = RoundUp(base, align_bytes);
    if (start - base >= block_bytes || size_bytes > block_bytes - (start - base)) {
      continue;
    }
    const uint64_t before = base;
    const uint64_t end = base + block_bytes;
    free->erase(before);
    if (start > before) {
      free->emplace(before, start - before);
    }
    if (start + size_bytes < end) {
      free->emplace(start + size_bytes, end - start - size_bytes);
    }
    return start;
  }
  return std::nullopt;
}

void Merge(FreeBlocks* free, uint64_t base, uint64_t size_bytes) {
  auto [here, inserted] = free->emplace(base, size_bytes);
  FARLANE_CHECK(inserted);
  const auto next = std::next(here);
  if (next != free->end() && here->first + here->second == next->first) {
    here->second += next->second;
    free->erase(next);
  }
  if (here == free->begin()) {
    return;
  }
  const auto before = std::prev(here);
  if (before->first + before->second == here->first) {
    before->second += here->second;
    free->erase(here);
  }
}

}  // namespace

std::optional<uint64_t> SmallBlocks::Allocate(uint64_t size_bytes, uint64_t align_bytes) {
  for (auto& [base, entry] : chunks_) {
    if (const auto address = Cut(&entry.free, size_bytes, align_bytes)) {
      entry.used_bytes += size_bytes;
      return address;
    }
  }
  return std::nullopt;
}

void SmallBlocks::AddChunk(Chunk chunk) {
  const uint64_t base = chunk.base;
  Entry entry;
  entry.free.emplace(base, chunk.physical->size_bytes());
  entry.chunk = std::move(chunk);
  chunks_.emplace(base, std::move(entry));
}

std::optional<Chunk> SmallBlocks::Free(uint64_t address, uint64_t size_bytes) {
  auto found = chunks_.upper_bound(address);
  FARLANE_CHECK(found != chunks_.begin());
  --found;
  Entry& entry = found->second;
  Merge(&entry.free, address, size_bytes);
  entry.used_bytes -= size_bytes;
  if (entry.used_bytes > 0) {
    return std::nullopt;
  }
  Chunk chunk = std::move(entry.chunk);
  chunks_.erase(found);
  return chunk;
}

std::shared_ptr<PhysicalMemory> SmallBlocks::PhysicalOf(uint64_t address) const {
  auto found = chunks_.upper_bound(address);
  FARLANE_CHECK(found != chunks_.begin());
  return std::prev(found)->second.chunk.physical;
}

}  // namespace farlane::soft
