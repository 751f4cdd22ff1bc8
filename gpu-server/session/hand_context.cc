// SPDX-License-Identifier: Apache-2.0
// Contexts. Making and ending one takes long, so it happens on a waiter; the tables change on the
// dispatch thread.
#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"

namespace farlane::server {
namespace {

using wire::WireError;

// The end of making a context: binds and answers.
void FinishCreation(ClientSession& session,
                    const wire::MessageView& view,
                    wire::Handle handle,
                    CUresult made_it,
                    ContextPtr made) {
  session.Return([&session, view, handle, made_it, made = std::move(made)] {
    CUresult result = made_it;
    if (result == CUDA_SUCCESS &&
        session.CheckNew(handle, wire::HandleKind::kContext) != WireError::kNone) {
      result = CUDA_ERROR_INVALID_HANDLE;  // given to another context in the meantime
    }
    if (result == CUDA_SUCCESS) {
      session.Bind(handle, made);
    }
    session.Answer(view, result);
  });
}

CUresult RetainPrimary(const DriverTable& driver,
                       CUdevice device,
                       uint32_t flags,
                       CUcontext* made) {
  // Flags of a context that is active already cannot always be changed; the context works anyway.
  static_cast<void>(driver.cuDevicePrimaryCtxSetFlags_v2(device, flags));
  return driver.cuDevicePrimaryCtxRetain(made, device);
}

// Waits until nothing runs in the context any more, then ends it with all in it.
CUresult EndContext(ClientSession& session, const ContextPtr& context) {
  const DriverTable& driver = session.driver();
  static_cast<void>(driver.cuCtxSetCurrent(context->context));
  static_cast<void>(driver.cuCtxSynchronize());  // a context beyond use cannot, and ends as well
  session.transfers().Abandon(*context);
  context->staging.Retire();
  static_cast<void>(driver.cuCtxSetCurrent(nullptr));
  if (context->green != nullptr) {
    return driver.cuGreenCtxDestroy(context->green);
  }
  // The client's only retain. A load that borrows the context right now keeps it for that long.
  return context->primary ? driver.cuDevicePrimaryCtxRelease_v2(context->device)
                          : driver.cuCtxDestroy_v2(context->context);
}

// Of a session that is kept apart nothing is left in the driver's hands, see DeviceMemory::Scrub.
void ZeroArrays(ClientSession& session,
                const ContextPtr& context,
                const std::vector<ArrayMemoryPtr>& arrays) {
  const DeviceMemory* const memory = session.memory(context->device);
  if (arrays.empty() || !memory->scrubs_after()) {
    return;
  }
  const DriverTable& driver = session.driver();
  static_cast<void>(driver.cuCtxSetCurrent(context->context));
  static_cast<void>(driver.cuCtxSynchronize());
  for (const ArrayMemoryPtr& array : arrays) {
    static_cast<void>(array->Zero(driver, *memory->scrubber()));
  }
}

WireError EndByHandle(ClientSession& session, const wire::MessageView& view, wire::Handle handle) {
  ContextPtr context;
  if (!session.Take(handle, &context)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_CONTEXT);
  }
  session.Defer(view, [&session, view, context, arrays = session.ForgetContext(context)]() mutable {
    ZeroArrays(session, context, arrays);
    const CUresult result = EndContext(session, context);
    arrays.clear();  // the ledger has their bytes back before the client hears of it
    session.Return([&session, view, result] { session.Answer(view, result); });
  });
  return WireError::kNone;
}

// The driver would refuse it, too, while it records, and the recording would be lost.
template <typename Message, typename Function>
WireError AboutEvent(ClientSession& session,
                     const wire::MessageView& view,
                     const Message& message,
                     const Function& function) {
  ContextPtr context;
  if (!session.Find(message.context, &context)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_CONTEXT);
  }
  CUevent event = nullptr;
  if (!session.Find(message.event, &event)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  session.Finish(view, session.is_recording() ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED
                                              : function(context->context, event));
  return WireError::kNone;
}

}  // namespace

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::PrimaryRetain& message) {
  FARLANE_WIRE_TRY(session.CheckNew(message.context, wire::HandleKind::kContext));
  const DeviceMemory* memory = session.memory(message.device);
  if (memory == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_DEVICE);
  }
  const CUdevice device = memory->device();
  session.Defer(view, [&session, view, device, flags = message.flags, handle = message.context] {
    CUcontext made = nullptr;
    const CUresult result = RetainPrimary(session.driver(), device, flags, &made);
    FinishCreation(session, view, handle, result,
                   std::make_shared<ContextState>(session.driver(), made, device, true));
  });
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::ContextCreate& message) {
  FARLANE_WIRE_TRY(session.CheckNew(message.context, wire::HandleKind::kContext));
  const DeviceMemory* memory = session.memory(message.device);
  if (memory == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_DEVICE);
  }
  const CUdevice device = memory->device();
  session.Defer(view, [&session, view, device, flags = message.flags, handle = message.context] {
    CUcontext made = nullptr;
    const CUresult result = session.driver().cuCtxCreate_v2(&made, flags, device);
    FinishCreation(session, view, handle, result,
                   std::make_shared<ContextState>(session.driver(), made, device, false));
  });
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::PrimaryRelease& message) {
  return EndByHandle(session, view, message.context);
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::ContextDestroy& message) {
  return EndByHandle(session, view, message.context);
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::ContextSynchronize& message) {
  ContextPtr context;
  if (!session.Find(message.context, &context)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_CONTEXT);
  }
  session.WaitForContexts(
      view, {context}, [&session, view](CUresult result) { session.AnswerWaited(view, result); });
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::ContextRecord& message) {
  return AboutEvent(session, view, message, session.driver().cuCtxRecordEvent);
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::ContextWait& message) {
  return AboutEvent(session, view, message, session.driver().cuCtxWaitEvent);
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::SetContext& message) {
  session.Finish(view, session.SetContext(message.context));
  return WireError::kNone;
}

}  // namespace farlane::server
