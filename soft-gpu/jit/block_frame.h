// SPDX-License-Identifier: Apache-2.0
// BlockFrame and ThreadFrame are what compiled code is handed: the only way from a kernel's machine
// code to the block that runs it. Compiled code reads fields by their offset here, so both are
// plain data; BlockFrame must not change while compiled code of its block runs.
#pragma once

#include <cstddef>
#include <cstdint>

namespace farlane::soft::jit {

// From the address of one function to the next. Code never lies there: the addresses only tell
// functions apart.
constexpr uint64_t kFunctionStrideBytes = 16;

// Rights to device memory are given frame by frame, of 2 MiB each.
constexpr uint32_t kFrameShift = 21;

// One block of a launch: where things are and how far they reach.
// Thread: the worker that runs the block.
struct BlockFrame {
  const std::byte* parameters = nullptr;
  const uint64_t* symbols = nullptr;  // by index: addresses of the module's variables, and numbers
                                      // of the textures that its references stand for
  uint64_t functions_base = 0;  // the address of function i of the module is this + i * the stride
  uint64_t window_base = 0;     // device memory: the only place a global access may reach
  uint64_t window_bytes = 0;
  uint64_t arena_base = 0;  // shared and local memory of this block, for generic addresses
  uint64_t arena_bytes = 0;
  uint64_t shared_base = 0;  // inside the arena
  uint64_t shared_bytes = 0;
  uint64_t local_bytes = 0;  // of each thread
  uint64_t grid_id = 0;
  uint64_t grid_workspace = 0;  // where the blocks of a cooperative grid meet; 0: they do not
  uint32_t dynamic_shared_bytes = 0;
  uint32_t worker = 0;  // stands for the multiprocessor
  uint32_t workers_count = 0;
  uint32_t ntid[3] = {1, 1, 1};
  uint32_t nctaid[3] = {1, 1, 1};
  uint32_t ctaid[3] = {0, 0, 0};
  const uint32_t* frame_rights = nullptr;  // by frame of the window; see exec/frame_rights.h
  uint32_t rights = 0;                     // the grid's
  uint64_t local_base = 0;                 // thread 0's local memory, inside the arena
  uint64_t local_stride = 0;  // from one thread's to the next; 0 when threads run one after another
  void* threads = nullptr;    // those of the block, for the runtime; null when none can wait
  const uint64_t* results = nullptr;  // by thread: what it waited for, if threads are coroutines
};

// One thread of a block. A thread's local memory is used like a stack by the functions it calls.
// Thread: the worker that runs the block.
struct ThreadFrame {
  uint64_t local_base = 0;
  uint64_t local_top = 0;  // offset of the first free byte
  uint32_t tid[3] = {0, 0, 0};
  uint32_t linear = 0;
};

// Why compiled code calls the runtime's fault function.
enum class FaultCause : uint32_t {
  kAccess = 0,  // + log2(size) << 8: outside of all memory, or not aligned
  kShared = 1,
  kLocal = 2,
  kParameter = 3,
  kTrap = 4,
  kStack = 5,     // local memory used up
  kFunction = 6,  // a call of what is no function
  kTexture = 7,   // a texture or surface that there is not
};

}  // namespace farlane::soft::jit
