// SPDX-License-Identifier: Apache-2.0
// TableAllocations lets exec look at the memory table, to check every access of a kernel.
#pragma once

#include "soft-gpu/device/memory_table.h"
#include "soft-gpu/exec/allocations.h"

namespace farlane::soft {

// Thread: any.
class TableAllocations final : public Allocations {
 public:
  explicit TableAllocations(const MemoryTable& table) : table_(table) {}

  uint64_t version() const override { return table_.version(); }

  std::optional<Allocation> Find(uint64_t address) const override {
    return Bare(table_.Find(address));
  }

  std::optional<Allocation> Nearest(uint64_t address) const override {
    return Bare(table_.Nearest(address));
  }

 private:
  static std::optional<Allocation> Bare(const std::optional<MemoryRange>& range) {
    return range ? std::optional<Allocation>({range->base, range->size_bytes}) : std::nullopt;
  }

  const MemoryTable& table_;
};

}  // namespace farlane::soft
