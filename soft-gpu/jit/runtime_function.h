// SPDX-License-Identifier: Apache-2.0
// A RuntimeFunction is an ordinary C function that compiled code may call by name. The engine adds
// the arithmetic ones itself (rounding.h, approximate.h); whoever runs kernels gives the others,
// which are named here.
#pragma once

namespace farlane::soft::jit {

struct RuntimeFunction {
  const char* name;
  void* address;
};

// Called when an access or a thread fails; never returns.
// void(const BlockFrame*, uint32_t thread, uint64_t address, uint32_t cause, uint64_t place)
// `place` is the instruction: see FunctionEmitter::Place.
constexpr const char* kFaultFunction = "farlane_soft_fault";

// Asks whether an access to device memory may be made; returns only if it may.
// void(const BlockFrame*, uint32_t thread, uint64_t address, uint32_t cause, uint64_t place)
constexpr const char* kCheckFunction = "farlane_soft_check";

// Ends the calling thread of a kernel that can wait; never returns. void()
constexpr const char* kExitFunction = "farlane_soft_exit";

// Waiting for other threads of the block. uint32_t(kind, barrier, count or 0, vote): see
// collective.h
constexpr const char* kBarrierFunction = "farlane_soft_barrier";
// uint64_t(kind, member mask, value of 64 bits, first, second)
constexpr const char* kWarpFunction = "farlane_soft_warp";
// Waits until the other threads of the warp have come to the same place, as far as they will.
// uint32_t(place): the lanes that are there
constexpr const char* kConvergeFunction = "farlane_soft_converge";
// Lets other threads run. void()
constexpr const char* kYieldFunction = "farlane_soft_yield";

// The same for a thread that is a coroutine: it comes to where it has to wait, and waits by
// returning, even if it goes on at once. They take a const BlockFrame* and what those above take,
// and give nothing: what it waited for is in BlockFrame::results when it goes on.
constexpr const char* kArriveBarrierFunction = "farlane_soft_arrive_barrier";
constexpr const char* kArriveWarpFunction = "farlane_soft_arrive_warp";
constexpr const char* kArriveConvergeFunction = "farlane_soft_arrive_converge";
constexpr const char* kArriveYieldFunction = "farlane_soft_arrive_yield";
// At the end of its work. void(const BlockFrame*)
constexpr const char* kEndFunction = "farlane_soft_end";

// What programs call by CUDA's names. uint64_t or void (const BlockFrame*, uint32_t thread,
// uint64_t…)
constexpr const char* kPrintFunction = "farlane_soft_print";  // format, arguments
constexpr const char* kAssertFunction =
    "farlane_soft_assert";  // message, file, line, function, size

constexpr const char* kMallocFunction = "farlane_soft_malloc";  // bytes; 0 if there is no room
constexpr const char* kFreeFunction = "farlane_soft_free";      // address
constexpr const char* kConditionFunction = "farlane_soft_condition";  // number, value

// Reads a texture, or works on a surface. void(const BlockFrame*, uint32_t thread, uint64_t number,
// uint32_t form, TextureAccess*, uint64_t place): see texture_access.h
constexpr const char* kTextureFunction = "farlane_soft_texture";

// uint64_t(): processor cycles; nanoseconds since the epoch.
constexpr const char* kClockFunction = "farlane_soft_clock";
constexpr const char* kTimerFunction = "farlane_soft_timer";

}  // namespace farlane::soft::jit
