// SPDX-License-Identifier: Apache-2.0
// FrameRights says, for each frame of the device window, whose kernels may touch it. Devices of one
// process share one address space, so their pages cannot tell them apart: compiled code looks here
// before each access, but only in a process that has several devices.
#pragma once

#include <cstdint>

#include "protocol/base/status.h"

namespace farlane::soft {

// A frame has rights and so does a grid; an access is allowed if they have one in common.
constexpr uint32_t kEveryRight = 0xffffffff;

// Of a frame that a device was given access to, and of that device's grids.
constexpr uint32_t RightOfMapping(int device) {
  return 1u << device;
}

// Of a frame that belongs to a device as a whole, and of the grids of this device and its peers.
constexpr uint32_t RightOfOwner(int device) {
  return 1u << (16 + device);
}

// Thread: any. What a grid finds while rights change is either the old or the new.
class FrameRights {
 public:
  // Makes the table for the device window, which must be set. Kernels that are compiled from then
  // on look there.
  static Status Open();
  // By frame of the window; null where nobody needs it.
  static const uint32_t* TableOrNull();
  // All of a range of whole frames inside the window. Does nothing where there is no table.
  static void Set(uint64_t base, uint64_t size_bytes, uint32_t rights);
};

}  // namespace farlane::soft
