// SPDX-License-Identifier: Apache-2.0
#include "client-shim/capture_posts.h"

namespace farlane::shim {

bool TakeEvent(Session& session,
               wire::Handle context,
               const wire::EventRecordWithFlags& message,
               CUresult* result) {
  graph::Captures& captures = session.captures();
  const graph::Standing standing =
      captures.StandingOf(session.TraitsOf(context, message.hStream), result);
  if (standing == graph::Standing::kFree) {
    captures.ForgetEvent(message.hEvent);
    return false;
  }
  if (standing == graph::Standing::kRefused) {
    return true;
  }
  *result = (message.flags & CU_EVENT_RECORD_EXTERNAL) != 0
                ? captures.Append(message.hStream, CommandOf(session, context, message,
                                                             CU_GRAPH_NODE_TYPE_EVENT_RECORD))
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
  graph::Captures& captures = session.captures();
  if ((message.Flags & CU_EVENT_WAIT_EXTERNAL) == 0) {
    return captures.WaitEvent(session.TraitsOf(context, message.hStream), message.hEvent, result);
  }
  const graph::Standing standing =
      captures.StandingOf(session.TraitsOf(context, message.hStream), result);
  if (standing == graph::Standing::kCaptured) {
    *result = captures.Append(message.hStream,
                              CommandOf(session, context, message, CU_GRAPH_NODE_TYPE_WAIT_EVENT));
  }
  return standing != graph::Standing::kFree;
}

}  // namespace farlane::shim
