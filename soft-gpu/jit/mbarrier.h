// SPDX-License-Identifier: Apache-2.0
// An mbarrier object of shared memory: what its 64 bits mean here, and its operations as a function
// that compiled code calls. A block runs on one processor thread, so they need no atomics.
#pragma once

#include <cstdint>
#include <span>

#include "soft-gpu/jit/runtime_function.h"

namespace farlane::soft::jit {

enum class MbarrierStep : uint32_t {
  kInit,         // value: arrivals of a phase. Gives nothing
  kArrive,       // value: how many. Gives the state before it
  kArriveDrop,   // the same, and later phases expect so many less
  kExpectBytes,  // value: bytes that have to come before the phase is over
  kCompleteBytes,
  kTest,        // value: a state. Gives 1 if the phase of that state is over
  kTestParity,  // value: a phase's parity. Gives 1 if that phase is over
};

// `object` has been checked. The state is opaque to programs, but for MbarrierPending.
uint64_t MbarrierOperate(uint32_t step, uint64_t* object, uint64_t value);

// How many arrivals a state still waits for.
uint64_t MbarrierPending(uint64_t state);

constexpr const char* kMbarrierFunction = "farlane_soft_mbarrier";
constexpr const char* kMbarrierPendingFunction = "farlane_soft_mbarrier_pending";

std::span<const RuntimeFunction> MbarrierFunctions();

}  // namespace farlane::soft::jit
