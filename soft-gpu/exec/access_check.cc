// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/access_check.h"

#include <algorithm>
#include <atomic>
#include <cstdio>

namespace farlane::soft {
namespace {

std::atomic<const Allocations*> the_allocations{nullptr};

bool Holds(const Allocation& allocation, uint64_t address, uint64_t bytes) {
  const uint64_t offset = address - allocation.base;
  return offset < allocation.size_bytes && allocation.size_bytes - offset >= bytes;
}

}  // namespace

void SetAllocations(const Allocations* allocations) {
  the_allocations.store(allocations, std::memory_order_release);
}

const Allocations* AllocationsOrNull() {
  return the_allocations.load(std::memory_order_acquire);
}

bool AccessCheck::Allows(uint64_t address, uint64_t bytes) {
  const Allocations* const allocations = AllocationsOrNull();
  if (allocations == nullptr) {
    return true;
  }
  if (const uint64_t now = allocations->version(); now != version_) {
    known_.fill({});
    version_ = now;
  }
  if (std::any_of(known_.begin(), known_.end(), [&](const Allocation& allocation) {
        return Holds(allocation, address, bytes);
      })) {
    return true;
  }
  const auto found = allocations->Find(address);
  if (!found || !Holds(*found, address, bytes)) {
    return false;
  }
  known_[next_++ % known_.size()] = *found;
  return true;
}

std::string PlaceAmongAllocations(uint64_t address) {
  const Allocations* const allocations = AllocationsOrNull();
  const auto nearest = allocations == nullptr ? std::nullopt : allocations->Nearest(address);
  if (!nearest) {
    return "";
  }
  const uint64_t end = nearest->base + nearest->size_bytes;
  const char* const side = address < nearest->base ? "before" : address < end ? "into" : "behind";
  const uint64_t distance = address < nearest->base ? nearest->base - address
                            : address < end         ? address - nearest->base
                                                    : address - end;
  char text[128];
  std::snprintf(text, sizeof(text), ", %llu bytes %s the allocation of %llu bytes at 0x%llx",
                static_cast<unsigned long long>(distance), side,
                static_cast<unsigned long long>(nearest->size_bytes),
                static_cast<unsigned long long>(nearest->base));
  return text;
}

}  // namespace farlane::soft
