// SPDX-License-Identifier: Apache-2.0
// AccessCheck knows whether an access of a kernel lies inside one allocation. It remembers a few
// allocations, since most accesses of a kernel go to the same ones.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "soft-gpu/exec/allocations.h"

namespace farlane::soft {

// Thread: the worker that owns it.
class AccessCheck {
 public:
  // True as well if nobody knows the allocations.
  bool Allows(uint64_t address, uint64_t bytes);

 private:
  uint64_t version_ = 0;
  size_t next_ = 0;
  std::array<Allocation, 8> known_{};
};

// ", 4 bytes behind the allocation of 1024 bytes at 0x…", for people; empty if there is none.
std::string PlaceAmongAllocations(uint64_t address);

}  // namespace farlane::soft
