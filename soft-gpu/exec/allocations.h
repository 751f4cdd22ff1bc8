// SPDX-License-Identifier: Apache-2.0
// Allocations is what exec asks about device memory when every access of a kernel is to be checked:
// which allocation an address belongs to. The device answers; it says once that it does.
#pragma once

#include <cstdint>
#include <optional>

namespace farlane::soft {

struct Allocation {
  uint64_t base = 0;
  uint64_t size_bytes = 0;
};

// Thread: any.
class Allocations {
 public:
  virtual ~Allocations() = default;

  // Another number whenever an answer of the others may be another.
  virtual uint64_t version() const = 0;
  // The allocation that the address lies in.
  virtual std::optional<Allocation> Find(uint64_t address) const = 0;
  // The one whose end or start is nearest.
  virtual std::optional<Allocation> Nearest(uint64_t address) const = 0;
};

// `allocations` stays valid until the end of the process.
void SetAllocations(const Allocations* allocations);
const Allocations* AllocationsOrNull();

}  // namespace farlane::soft
