// SPDX-License-Identifier: Apache-2.0
// Copy and Fill move bytes for the streams. A box is up to three-dimensional; a flat copy is a box
// of one row. They look again at what is mapped while they run: memory that was unmapped since the
// call is an illegal address, never a crash.
#pragma once

#include <cstdint>

#include "soft-gpu/device/address_space.h"

namespace farlane::soft {

// Where a box starts and how far its rows and layers are apart.
struct Side {
  uint64_t address = 0;
  uint64_t pitch_bytes = 0;
  uint64_t layer_bytes = 0;
  bool known = false;  // lies in memory of the table; else it is plain memory of the program
  // The array's handle and the place in it, for those who ask what a recorded copy does.
  uint64_t array = 0;
  uint64_t x_bytes = 0;
  uint64_t y = 0;
  uint64_t z = 0;
};

struct Box {
  uint64_t width_bytes = 0;
  uint64_t height = 1;
  uint64_t depth = 1;
};

struct CopyRequest {
  Side to;
  Side from;
  Box box;
};

struct FillRequest {
  Side to;
  Box box;
  uint32_t value = 0;
  uint32_t value_bytes = 1;  // 1, 2 or 4; the width is a multiple of it
};

// The bytes from a side's first to its last one; false if that is more than there are addresses.
bool SpanBytes(const Side& side, const Box& box, uint64_t* bytes);
// Whether the whole span of a side may be touched that way.
bool Reachable(AddressSpace* space, const Side& side, const Box& box, Access wanted);

// False if memory was gone; then some of it may have been copied.
bool Copy(AddressSpace* space, const CopyRequest& request);
bool Fill(AddressSpace* space, const FillRequest& request);

}  // namespace farlane::soft
