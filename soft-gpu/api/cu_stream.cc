// SPDX-License-Identifier: Apache-2.0
// Streams, and what can be put into them besides copies and launches.
#include <algorithm>
#include <cstring>

#include "soft-gpu/api/call.h"
#include "soft-gpu/api/captured_events.h"
#include "soft-gpu/bodies.h"
#include "soft-gpu/device/stream_clock.h"

namespace farlane::soft {
namespace {

// The program's function may not call the driver; this lets such calls be refused.
// Thread: caller's.
class InCallback {
 public:
  InCallback() { ThisThread().in_callback = true; }

  ~InCallback() { ThisThread().in_callback = false; }

  InCallback(const InCallback&) = delete;
  InCallback& operator=(const InCallback&) = delete;
};

CUresult Create(CUstream* phStream, unsigned int flags, int priority) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (phStream == nullptr || (flags & ~static_cast<unsigned int>(CU_STREAM_NON_BLOCKING)) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *phStream = AsHandle<CUstream>(call.current->CreateStream(flags, priority)->traits().handle);
  return CUDA_SUCCESS;
}

}  // namespace

CUresult cuStreamCreateWithPriority(CUstream* phStream, unsigned int flags, int priority) {
  return Create(phStream, flags, priority);
}

CUresult cuStreamGetPriority(CUstream hStream, int* priority) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (priority == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  *priority = use.stream->attributes().priority();
  return CUDA_SUCCESS;
}

CUresult cuStreamGetDevice(CUstream hStream, CUdevice* device) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (device == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  *device = use.context->device();
  return CUDA_SUCCESS;
}

CUresult cuStreamGetFlags(CUstream hStream, unsigned int* flags) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (flags == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  *flags = use.stream->traits().flags;
  return CUDA_SUCCESS;
}

CUresult cuStreamGetId(CUstream hStream, unsigned long long* streamId) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (streamId == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  *streamId = use.stream->traits().id;
  return CUDA_SUCCESS;
}

CUresult cuStreamGetCtx(CUstream hStream, CUcontext* pctx) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pctx == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  *pctx = AsHandle<CUcontext>(use.context->handle());
  return CUDA_SUCCESS;
}

CUresult cuStreamGetCtx_v2(CUstream hStream, CUcontext* pCtx, CUgreenCtx* pGreenCtx) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pCtx == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  *pCtx = AsHandle<CUcontext>(HomeOf(use.context)->handle());
  if (pGreenCtx != nullptr) {
    const bool green = use.context->home() != nullptr;
    *pGreenCtx = green ? AsHandle<CUgreenCtx>(use.context->handle()) : nullptr;
  }
  return CUDA_SUCCESS;
}

CUresult cuStreamWaitEvent(CUstream hStream, CUevent hEvent, unsigned int Flags) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if ((Flags & ~static_cast<unsigned int>(CU_EVENT_WAIT_EXTERNAL)) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  std::shared_ptr<Event> event;
  FARLANE_SOFT_TRY(FindEvent(call, hEvent, &event));
  CUresult taken = CUDA_SUCCESS;
  if (TakeWait(call, use, event, Flags, &taken)) {
    return taken;
  }
  if (event->done()) {
    return CUDA_SUCCESS;
  }
  Work work;
  if (const std::shared_ptr<SharedEvent>& shared = event->shared()) {
    work.run = [shared, number = shared->last()] {
      shared->Wait(number);
      JoinTheWall();
      return CUDA_SUCCESS;
    };
  } else {
    work.after.push_back(event->place());
  }
  use.context->Submit(use.stream.get(), std::move(work));
  return CUDA_SUCCESS;
}

CUresult cuStreamAddCallback(CUstream hStream,
                             CUstreamCallback callback,
                             void* userData,
                             unsigned int flags) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (callback == nullptr || flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  Work work;
  work.always = true;  // the function is told how the stream fared
  work.run = [context = use.context, hStream, callback, userData] {
    const InCallback inside;
    callback(hStream, context->failed().get(), userData);
    JoinTheWall();
    return CUDA_SUCCESS;
  };
  FARLANE_SOFT_TRY(RefuseCaptured(call, use));
  return Put(call, use, std::move(work));
}

CUresult cuLaunchHostFunc(CUstream hStream, CUhostFn fn, void* userData) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (fn == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  Work work;
  work.run = [fn, userData] {
    const InCallback inside;
    fn(userData);
    JoinTheWall();
    return CUDA_SUCCESS;
  };
  work.node = CU_GRAPH_NODE_TYPE_HOST;
  if (call.driver->captures().busy()) {
    const CUDA_HOST_NODE_PARAMS host{.fn = fn, .userData = userData};
    work.params = graph::Keep(*graph::HostNode(&host));
  }
  return Put(call, use, std::move(work));
}

CUresult cuStreamQuery(CUstream hStream) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  FARLANE_SOFT_TRY(RefuseCaptured(call, use));
  FARLANE_SOFT_TRY(RefuseUnsafe(call));
  if (!use.context->Pending(*use.stream).empty()) {
    return CUDA_ERROR_NOT_READY;
  }
  return use.context->failed().get();
}

CUresult cuStreamSynchronize(CUstream hStream) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  FARLANE_SOFT_TRY(RefuseCaptured(call, use));
  FARLANE_SOFT_TRY(RefuseUnsafe(call));
  for (const SharedCompletion& pending : use.context->Pending(*use.stream)) {
    pending->Wait();
  }
  return use.context->failed().get();
}

CUresult cuStreamGetAttribute(CUstream hStream, CUstreamAttrID attr, CUstreamAttrValue* value) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (value == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  return use.stream->attributes().Tell(attr, value);
}

CUresult cuStreamSetAttribute(CUstream hStream,
                              CUstreamAttrID attr,
                              const CUstreamAttrValue* param) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (param == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  CUstreamAttrValue value = *param;
  if (attr == CU_LAUNCH_ATTRIBUTE_PRIORITY) {
    value.priority = std::clamp(value.priority, kPriorityGreatest, kPriorityLeast);
  }
  return use.stream->attributes().Set(attr, value);
}

CUresult cuStreamCopyAttributes(CUstream dstStream, CUstream srcStream) {
  for (const CUstreamAttrID id : abi::kStreamAttributes) {
    CUstreamAttrValue value{};
    FARLANE_SOFT_TRY(cuStreamGetAttribute(srcStream, id, &value));
    FARLANE_SOFT_TRY(cuStreamSetAttribute(dstStream, id, &value));
  }
  return CUDA_SUCCESS;
}

CUresult cuStreamDestroy_v2(CUstream hStream) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  const auto stream = call.driver->streams().Take(HandleNumber(hStream));
  if (stream == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  call.driver->captures().ForgetStream(stream->traits().handle);
  if (const auto context = call.driver->contexts().Find(stream->traits().context)) {
    context->DropStream(stream);
  }
  return CUDA_SUCCESS;
}

}  // namespace farlane::soft
