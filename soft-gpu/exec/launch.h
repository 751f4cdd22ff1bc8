// SPDX-License-Identifier: Apache-2.0
// What a launch asks for and how it ends.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "protocol/base/bytes.h"

namespace farlane::soft {

class Conditions;
class DeviceHeap;

// What a thread has for recursion and alloca where nobody says how much.
constexpr uint64_t kStackBytesDefault = 64_KiB;

// What a texture or surface reference stands for: a number of the texture table.
struct ReferenceNumber {
  uint32_t variable = 0;  // of the module
  uint64_t number = 0;
};

struct LaunchShape {
  uint32_t grid[3] = {1, 1, 1};
  uint32_t block[3] = {1, 1, 1};
  uint32_t dynamic_shared_bytes = 0;
  uint32_t processors = 0;  // of a green context; 0: all, of
  uint32_t processors_there = 0;
  bool cooperative = false;    // any block may wait for any other: all have to run together
  uint64_t owner = 0;          // by which it can be stopped, see running_grids.h
  DeviceHeap* heap = nullptr;  // where malloc of kernels takes memory from; null: it finds none
  Conditions* conditions = nullptr;           // of the graph that it is part of; null: of none
  uint32_t rights = 0xffffffff;               // to frames of the window; see frame_rights.h
  uint64_t stack_bytes = kStackBytesDefault;  // of a thread whose kernel needs a stack
  std::span<const ReferenceNumber> references = {};  // those that are bound; must last as long
};

enum class Fault : uint8_t {
  kNone,
  kIllegalAddress,  // outside of device memory, or where nothing is mapped
  kMisaligned,
  kTrap,
  kAssert,
  kStackOverflow,
  kIllegalInstruction,
  kInvalidCall,  // through a pointer to what is no function, or none that fits the call
  kUnsupported,  // the kernel or its shape is something this device cannot run
  kStopped,      // ended from outside, because nobody wants its results any more
  kTimeout,      // ended from outside, because it ran too long
};

// `detail` is a sentence for the log: where, which thread.
struct LaunchOutcome {
  Fault fault = Fault::kNone;
  std::string detail = {};
  uint64_t place = 0;  // the instruction, see jit/runtime_function.h; 0: not known
};

}  // namespace farlane::soft
