// SPDX-License-Identifier: Apache-2.0
// StreamWaits knows which streams may still be waiting for a value that the program, or another
// stream, has yet to write, or for another process. Until such a wait is over the program may
// change memory that a copy behind it reads, so that copy's bytes may not be taken before.
#pragma once

#include <atomic>
#include <map>
#include <type_traits>

#include "protocol/base/guarded.h"
#include "protocol/wire/messages.h"

namespace farlane::shim {

class Session;

// Thread: any, guarded.
class StreamWaits {
 public:
  explicit StreamWaits(Session& session) : session_(session) {}

  // With every post, in the order of their numbers: its caller holds the channel's writing.
  template <typename Message>
  void NotePosted(const Message& message, wire::Sequence number) {
    if constexpr (std::is_same_v<Message, wire::StreamWaitValue32> ||
                  std::is_same_v<Message, wire::StreamWaitValue64>) {
      Note(message.stream, number);
    }
    if constexpr (std::is_same_v<Message, wire::StreamWaitEvent>) {
      NoteEvent(message.hEvent, message.hStream, number);
    }
    if constexpr (std::is_same_v<Message, wire::ContextWait>) {
      NoteEvent(message.event, 0, number);  // all streams wait, and so the legacy one does
    }
  }

  // The same for a graph that waits for a value. Only a stream's last wait counts: it comes behind
  // the others.
  void Note(wire::Handle stream, wire::Sequence number);

  // Whether any stream is not known to be past its waits. Costs one load where there are none; else
  // it may look at what has arrived, and has the server say when a wait is over.
  bool any(wire::Handle context);

 private:
  struct Wait {
    wire::Sequence number = 0;
    wire::Sequence watch = 0;  // behind it; 0: not asked for yet
  };

  using Waits = std::map<wire::Handle, Wait>;

  // Another process records a shared event when this one has written what it has to.
  void NoteEvent(wire::Handle event, wire::Handle stream, wire::Sequence number);
  bool IsOver(wire::Handle context, wire::Handle stream, const Wait& wait);
  void Forget(wire::Handle stream, wire::Sequence number);

  Session& session_;
  std::atomic<size_t> count_{0};
  Guarded<Waits> waits_;  // by stream
};

}  // namespace farlane::shim
