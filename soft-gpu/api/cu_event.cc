// SPDX-License-Identifier: Apache-2.0
// Events.
#include "soft-gpu/api/call.h"
#include "soft-gpu/api/captured_events.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

constexpr unsigned int kFlagsKnown =
    CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS;
constexpr double kNsPerMs = 1e6;

CUresult FailedOf(const Event& event) {
  return event.context()->failed().get();
}

}  // namespace

CUresult cuEventCreate(CUevent* phEvent, unsigned int Flags) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (phEvent == nullptr || (Flags & ~kFlagsKnown) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<SharedEvent> shared;
  if ((Flags & CU_EVENT_INTERPROCESS) != 0) {
    if ((Flags & CU_EVENT_DISABLE_TIMING) == 0) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    shared = call.driver->space().shared_events().Make();
    if (shared == nullptr) {
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
  }
  const uint64_t handle = call.driver->events().Mint();
  call.driver->events().Set(
      handle, std::make_shared<Event>(handle, call.context, Flags, std::move(shared)));
  *phEvent = AsHandle<CUevent>(handle);
  return CUDA_SUCCESS;
}

CUresult cuEventRecordWithFlags(CUevent hEvent, CUstream hStream, unsigned int flags) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if ((flags & ~static_cast<unsigned int>(CU_EVENT_RECORD_EXTERNAL)) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<Event> event;
  FARLANE_SOFT_TRY(FindEvent(call, hEvent, &event));
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  if (event->context() != HomeOf(use.context)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  CUresult taken = CUDA_SUCCESS;
  if (TakeRecord(call, use, event, flags, &taken)) {
    return taken;
  }
  event->Record(use.context->Submit(use.stream.get(), RecordWork(*event)));
  return CUDA_SUCCESS;
}

CUresult cuEventRecord(CUevent hEvent, CUstream hStream) {
  return cuEventRecordWithFlags(hEvent, hStream, 0);
}

CUresult cuEventQuery(CUevent hEvent) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  std::shared_ptr<Event> event;
  FARLANE_SOFT_TRY(FindEvent(call, hEvent, &event));
  FARLANE_SOFT_TRY(RefuseCapturedEvent(call, hEvent));
  FARLANE_SOFT_TRY(RefuseUnsafe(call));
  if (!event->done()) {
    return CUDA_ERROR_NOT_READY;
  }
  return FailedOf(*event);
}

CUresult cuEventSynchronize(CUevent hEvent) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  std::shared_ptr<Event> event;
  FARLANE_SOFT_TRY(FindEvent(call, hEvent, &event));
  FARLANE_SOFT_TRY(RefuseCapturedEvent(call, hEvent));
  FARLANE_SOFT_TRY(RefuseUnsafe(call));
  event->Wait();
  return FailedOf(*event);
}

CUresult cuEventDestroy_v2(CUevent hEvent) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  return call.driver->events().Take(HandleNumber(hEvent)) == nullptr ? CUDA_ERROR_INVALID_HANDLE
                                                                     : CUDA_SUCCESS;
}

CUresult cuEventElapsedTime(float* pMilliseconds, CUevent hStart, CUevent hEnd) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pMilliseconds == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<Event> start;
  std::shared_ptr<Event> end;
  FARLANE_SOFT_TRY(FindEvent(call, hStart, &start));
  FARLANE_SOFT_TRY(FindEvent(call, hEnd, &end));
  const SharedCompletion from = start->place();
  const SharedCompletion to = end->place();
  if (!start->timed() || !end->timed() || from == nullptr || to == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  FARLANE_SOFT_TRY(FailedOf(*start));
  if (!from->done() || !to->done()) {
    return CUDA_ERROR_NOT_READY;
  }
  const auto ns = static_cast<int64_t>(to->time_ns() - from->time_ns());
  *pMilliseconds = static_cast<float>(static_cast<double>(ns) / kNsPerMs);
  return CUDA_SUCCESS;
}

}  // namespace farlane::soft
