// SPDX-License-Identifier: Apache-2.0
#include "client-shim/context_events.h"

#include <mutex>

#include "client-shim/bodies.h"
#include "client-shim/within_context.h"

namespace farlane::shim {
namespace {

// The first driver that can do it.
constexpr int32_t kDriverVersion = 12050;

CUresult Check(const CallScope& scope, const char* call) {
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  Session& session = scope.session();
  if (session.driver_version() < kDriverVersion) {
    return Missing(call);
  }
  return session.captures().busy() ? session.captures().SpoilContext(scope.context())
                                   : CUDA_SUCCESS;
}

template <typename Message>
CUresult PostAlone(const CallScope& scope, const Message& message) {
  Session& session = scope.session();
  {
    // Not Guarded: see there.
    const std::lock_guard<std::shared_mutex> alone(session.recording());
    session.Post(scope.context(), message);
  }
  session.NoteWork();
  if (session.shares().any()) {
    return session.shares().AwaitIfShared(scope.context(), message.event);
  }
  return session.config().synchronous ? scope.WaitForPosted() : CUDA_SUCCESS;
}

}  // namespace

CUresult RecordContext(const ContextScope& of, CUevent event) {
  const WithinContext within(of.handle());
  const CallScope scope;
  const CUresult checked = Check(scope, "cuCtxRecordEvent");
  if (checked != CUDA_SUCCESS) {
    return checked;
  }
  const Event* const found = scope.session().objects().events.Find(ToWire(event));
  Objects& objects = scope.session().objects();
  if (found == nullptr || objects.HomeOf(found->context) != objects.HomeOf(scope.context())) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  scope.session().captures().ForgetEvent(ToWire(event));
  return PostAlone(scope, wire::ContextRecord{.context = scope.context(), .event = ToWire(event)});
}

CUresult HoldContext(const ContextScope& of, CUevent event) {
  const WithinContext within(of.handle());
  const CallScope scope;
  const CUresult checked = Check(scope, "cuCtxWaitEvent");
  if (checked != CUDA_SUCCESS) {
    return checked;
  }
  if (!scope.Knows(event)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (scope.CheckEvent(event) != CUDA_SUCCESS) {
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  return PostAlone(scope, wire::ContextWait{.context = scope.context(), .event = ToWire(event)});
}

}  // namespace farlane::shim
