// SPDX-License-Identifier: Apache-2.0
#include "client-shim/capture_posts.h"

namespace farlane::shim {

bool TakeEvent(Session& session,
               wire::Handle context,
               const wire::EventRecordWithFlags& message,
               CUresult* result) {
  Captures& captures = session.captures();
  const Standing standing = captures.StandingOf(context, message.hStream, result);
  if (standing == Standing::kFree) {
    captures.ForgetEvent(message.hEvent);
    return false;
  }
  if (standing == Standing::kRefused) {
    return true;
  }
  *result = (message.flags & CU_EVENT_RECORD_EXTERNAL) != 0
                ? captures.Append(message.hStream,
                                  CommandOf(context, message, CU_GRAPH_NODE_TYPE_EVENT_RECORD))
                : captures.RecordEvent(message.hStream, message.hEvent);
  return true;
}

bool TakeEvent(Session& session,
               wire::Handle context,
               const wire::EventRecord& message,
               CUresult* result) {
  return TakeEvent(
      session, context,
      wire::EventRecordWithFlags{.hEvent = message.hEvent, .hStream = message.hStream, .flags = 0},
      result);
}

bool TakeEvent(Session& session,
               wire::Handle context,
               const wire::StreamWaitEvent& message,
               CUresult* result) {
  Captures& captures = session.captures();
  if ((message.Flags & CU_EVENT_WAIT_EXTERNAL) == 0) {
    return captures.WaitEvent(message.hStream, message.hEvent, result);
  }
  const Standing standing = captures.StandingOf(context, message.hStream, result);
  if (standing == Standing::kCaptured) {
    *result = captures.Append(message.hStream,
                              CommandOf(context, message, CU_GRAPH_NODE_TYPE_WAIT_EVENT));
  }
  return standing != Standing::kFree;
}

}  // namespace farlane::shim
