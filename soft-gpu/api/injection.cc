// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/api/injection.h"

#include <csignal>
#include <utility>

#include "protocol/abi/error_log.h"
#include "protocol/base/log.h"
#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"
#include "soft-gpu/device/config.h"

namespace farlane::soft {
namespace {

Guarded<FaultPlan>& Plan() {
  static auto* const plan = [] {
    Result<FaultPlan> read = ReadFaultPlan();
    if (!read.ok()) {
      // A test that does not test what it says is worse than none.
      LogError("soft-gpu: %s", read.error().message().c_str());
      abort();
    }
    injection_state.store(read->empty() ? InjectionState::kOff : InjectionState::kOn);
    return new Guarded<FaultPlan>(std::move(*read));  // never destroyed: exit handlers call us
  }();
  return *plan;
}

thread_local constinit PlannedFault fault_within{};

}  // namespace

std::atomic<InjectionState> injection_state{InjectionState::kUnread};

PlannedFault NextFault(const char* call) {
  const PlannedFault fault = Plan().With([&](FaultPlan& plan) { return plan.Next(call); });
  if (fault.kind != FaultKind::kNone) {
    LogInfo("soft-gpu: %s fails as planned, with error %d", call, fault.result);
  }
  return fault;
}

PlannedFault TakeFaultWithin() {
  return std::exchange(fault_within, PlannedFault{});
}

CUresult EndHalfway(const PlannedFault& fault) {
  if (fault.kind == FaultKind::kDeath) {
    static_cast<void>(raise(SIGKILL));
  }
  return fault.result;
}

CUresult RunWithin(const char* call,
                   const PlannedFault& fault,
                   CUresult (*run)(void*),
                   void* body) {
  fault_within = fault;
  const CUresult result = run(body);
  const PlannedFault left = TakeFaultWithin();
  if (left.kind != FaultKind::kNone && result == CUDA_SUCCESS) {
    FailLater(EndHalfway(left));  // it does no work that has a middle
  }
  return result == CUDA_SUCCESS ? result : Noted(call, result);
}

CUresult Noted(const char* call, CUresult result) {
  if (result != CUDA_ERROR_NOT_READY) {
    const char* name = "an error without a name";
    const char* text = "";
    static_cast<void>(cuGetErrorName(result, &name));
    static_cast<void>(cuGetErrorString(result, &text));
    abi::ErrorLog::Get().Note(call, result, name, text);
  }
  return result;
}

void FailLater(CUresult result) {
  const ContextCall call;
  if (call.result != CUDA_SUCCESS) {
    return;  // it has failed already, or there is none
  }
  Work work;
  work.run = [result] { return result; };
  call.context->Submit(call.context->legacy().get(), std::move(work));
}

}  // namespace farlane::soft
