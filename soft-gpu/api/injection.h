// SPDX-License-Identifier: Apache-2.0
// Injection lets planned faults happen: every exported function that has a body passes here.
// Without a plan that is one look at a flag.
#pragma once

#include <atomic>

#include "soft-gpu/device/fault_plan.h"

namespace farlane::soft {

enum class InjectionState : int { kUnread, kOff, kOn };

extern std::atomic<InjectionState> injection_state;

// Reads the plan if nobody has yet.
PlannedFault NextFault(const char* call);
// Makes the current context fail once its default stream gets there.
void FailLater(CUresult result);

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
  const CUresult result = body();
  if (fault.kind == FaultKind::kLate && result == CUDA_SUCCESS) {
    FailLater(fault.result);
  }
  return result == CUDA_SUCCESS ? result : Noted(call, result);
}

}  // namespace farlane::soft
