// SPDX-License-Identifier: Apache-2.0
// Injection lets planned faults happen: every exported function that has a body passes here.
// Without a plan that is one look at a flag.
#pragma once

#include <atomic>
#include <type_traits>

#include "soft-gpu/device/fault_plan.h"

namespace farlane::soft {

enum class InjectionState : int { kUnread, kOff, kOn };

extern std::atomic<InjectionState> injection_state;

// Reads the plan if nobody has yet.
PlannedFault NextFault(const char* call);
// Makes the current context fail once its default stream gets there.
void FailLater(CUresult result);

// Of the call that this thread is in: the fault in its midst that is planned for it, if it has not
// been taken yet. Whoever copies or fills takes it, does half, and calls EndHalfway.
PlannedFault TakeFaultWithin();
// What half of the work ends with; not at all where the process dies.
CUresult EndHalfway(const PlannedFault& fault);
// The call has a fault in its midst: runs it.
CUresult RunWithin(const char* call, const PlannedFault& fault, CUresult (*run)(void*), void* body);

// Notes in the log that programs may read what the call answers, and gives it back.
CUresult Noted(const char* call, CUresult result);

template <typename Body>
CUresult WithFaults(const char* call, Body&& body) {
  if (injection_state.load(std::memory_order_relaxed) == InjectionState::kOff) [[likely]] {
    const CUresult result = body();
    return result == CUDA_SUCCESS ? result : Noted(call, result);
  }
  const PlannedFault fault = NextFault(call);
  if (fault.kind == FaultKind::kAtOnce || fault.kind == FaultKind::kLost) {
    return Noted(call, fault.result);
  }
  if (fault.kind == FaultKind::kHalf || fault.kind == FaultKind::kDeath) {
    return RunWithin(
        call, fault,
        [](void* all) { return (*static_cast<std::remove_reference_t<Body>*>(all))(); }, &body);
  }
  const CUresult result = body();
  if (fault.kind == FaultKind::kLate && result == CUDA_SUCCESS) {
    FailLater(fault.result);
  }
  return result == CUDA_SUCCESS ? result : Noted(call, result);
}

}  // namespace farlane::soft
