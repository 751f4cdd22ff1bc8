// SPDX-License-Identifier: Apache-2.0
// Events about all streams of a context at once.
#include "soft-gpu/api/call.h"
#include "soft-gpu/api/captured_events.h"
#include "soft-gpu/bodies.h"
#include "soft-gpu/device/stream_clock.h"

namespace farlane::soft {
namespace {

CUresult Find(const PlainCall& call,
              CUcontext handle,
              CUevent event_handle,
              std::shared_ptr<Context>* context,
              std::shared_ptr<Event>* event) {
  FARLANE_SOFT_TRY(call.result);
  FARLANE_SOFT_TRY(FindContext(call, handle, context));
  if (!(*context)->alive()) {
    return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  }
  FARLANE_SOFT_TRY((*context)->failed().get());
  FARLANE_SOFT_TRY(FindEvent(call, event_handle, event));
  graph::Captures& captures = call.driver->captures();
  return captures.busy() ? captures.SpoilContext((*context)->handle()) : CUDA_SUCCESS;
}

}  // namespace

CUresult cuCtxRecordEvent(CUcontext hCtx, CUevent hEvent) {
  const PlainCall call;
  std::shared_ptr<Context> context;
  std::shared_ptr<Event> event;
  FARLANE_SOFT_TRY(Find(call, hCtx, hEvent, &context, &event));
  if (event->context() != HomeOf(context)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  call.driver->captures().ForgetEvent(event->handle());
  event->Record(context->Mark(RecordWork(*event)));
  return CUDA_SUCCESS;
}

CUresult cuCtxWaitEvent(CUcontext hCtx, CUevent hEvent) {
  const PlainCall call;
  std::shared_ptr<Context> context;
  std::shared_ptr<Event> event;
  FARLANE_SOFT_TRY(Find(call, hCtx, hEvent, &context, &event));
  if (RefuseCapturedEvent(call, hEvent) != CUDA_SUCCESS) {
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  if (event->done()) {
    return CUDA_SUCCESS;
  }
  if (const std::shared_ptr<SharedEvent>& shared = event->shared()) {
    Work work;
    work.run = [shared, number = shared->last()] {
      shared->Wait(number);
      JoinTheWall();
      return CUDA_SUCCESS;
    };
    context->Hold(context->Mark(std::move(work)));
  } else {
    context->Hold(event->place());
  }
  return CUDA_SUCCESS;
}

}  // namespace farlane::soft
