// SPDX-License-Identifier: Apache-2.0
// Where a post meets a capture: on a stream that records it becomes a node, an event or a refusal
// instead of travelling. Without any capture this costs a post one load.
#pragma once

#include <type_traits>

#include "client-shim/graph_messages.h"

namespace farlane::shim {

// Whether a message is one that marks an event's place or waits for one.
template <typename Message>
inline constexpr bool kIsAboutEvent = std::is_same_v<Message, wire::EventRecord> ||
                                      std::is_same_v<Message, wire::EventRecordWithFlags> ||
                                      std::is_same_v<Message, wire::StreamWaitEvent>;

// Whether TakeIntoCapture has to be asked.
template <typename Message>
bool MeetsCapture(Session& session, const Message&) {
  if constexpr (kIsAboutEvent<Message>) {
    return session.captures().busy() || session.captures().has_events();
  } else if constexpr (CaptureShape<Message>::kOnStream ||
                       std::is_same_v<Message, wire::StreamDestroy>) {
    return session.captures().busy();
  } else {
    return false;
  }
}

bool TakeEvent(Session& session,
               wire::Handle context,
               const wire::EventRecordWithFlags& message,
               CUresult* result);
bool TakeEvent(Session& session,
               wire::Handle context,
               const wire::EventRecord& message,
               CUresult* result);
bool TakeEvent(Session& session,
               wire::Handle context,
               const wire::StreamWaitEvent& message,
               CUresult* result);

// True when the message does not travel; `result` is then the call's.
template <typename Message>
bool TakeIntoCapture(Session& session,
                     wire::Handle context,
                     const Message& message,
                     CUresult* result) {
  if constexpr (kIsAboutEvent<Message>) {
    return TakeEvent(session, context, message, result);
  } else if constexpr (std::is_same_v<Message, wire::StreamDestroy>) {
    session.captures().ForgetStream(message.hStream);
    return false;
  } else if constexpr (CaptureShape<Message>::kOnStream) {
    const wire::Handle stream = message.*CaptureShape<Message>::kStream;
    const graph::Standing standing =
        session.captures().StandingOf(session.TraitsOf(context, stream), result);
    if (standing != graph::Standing::kCaptured) {
      return standing == graph::Standing::kRefused;
    }
    if constexpr (CaptureShape<Message>::kIsNode) {
      *result = session.captures().Append(stream, CommandOf(session, context, message));
    } else {
      *result = session.captures().Spoil(stream);
    }
    return true;
  } else {
    return false;
  }
}

}  // namespace farlane::shim
