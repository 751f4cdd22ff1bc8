// SPDX-License-Identifier: Apache-2.0
// Completions is what the client knows of how far the server has come, so that a program which asks
// again and again, or waits for what is done already, costs no round trip. It counts in numbers of
// messages: a stream is done when the last message that works on it is.
// The first question about something unfinished goes to the server, together with a watch; from
// then on the server says by itself when it is done, and until it does the answer is "not ready".
//
// A wait for a stream on which nothing is under way but copies to the device and fills, which the
// program has no way to see, is no wait: a fence in the server's streams does as much, since
// nothing that comes after can overtake it. Records of events that tell no times cannot be seen
// either, nor waits for events behind such work.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <type_traits>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/guarded.h"
#include "protocol/channel/batch_writer.h"
#include "protocol/wire/messages.h"

namespace farlane::shim {

class Session;
struct Stream;

// How far one stream is known to have come. Thread: any.
struct StreamProgress {
  // What it has waited for of another stream, none of which can be seen.
  struct Awaited {
    std::shared_ptr<StreamProgress> stream;
    wire::Sequence number = 0;  // of the other's work
    wire::Sequence at = 0;      // of the wait
  };

  std::atomic<wire::Sequence> posted{0};   // the last message that works on it
  std::atomic<wire::Sequence> visible{0};  // the last whose work the program can see
  std::atomic<wire::Sequence> done{0};     // all up to here is done
  std::atomic<wire::Sequence> watched{0};  // the last watch behind its work
  std::array<Awaited, 4> awaited;          // by whoever holds the channel's writing
};

// The last record of one event. Thread: any; `watch` is written before `recorded`.
struct Recording {
  std::atomic<wire::Sequence> recorded{0};  // the message that recorded it; 0: none has
  std::atomic<wire::Sequence> watch{0};     // means this record if its number is higher
  std::atomic<wire::Handle> stream{0};      // of the record
  // The last record that has no place in one stream: of a whole context, or inside a graph.
  std::atomic<wire::Sequence> unplaced{0};
  std::atomic<bool> shared{false};  // other processes may record it: only the server knows
  std::atomic<bool> timed{true};    // tells when it was passed
  std::atomic<bool> asked{false};   // somebody asks about this event: watch each record
  std::atomic<uint32_t> asks{0};    // since the record
};

// A question on its way to the server. Thread: caller's.
struct Question {
  std::optional<CUresult> known;  // the answer, when nobody has to be asked
  std::shared_ptr<StreamProgress> stream;
  std::shared_ptr<Recording> event;
  wire::Sequence about = 0;  // what is done if the answer is yes
  wire::Handle context = 0;
  wire::Handle watched = 0;  // the stream to watch if the answer is "not ready"
  bool may_watch = false;
};

// Copies of more count as visible: a program that measures how fast data arrives does so by
// waiting.
inline constexpr size_t kUnseenCopyBytesMax = size_t{64} << 10;

template <typename Message>
inline constexpr bool kIsRecord = std::is_same_v<Message, wire::EventRecord> ||
                                  std::is_same_v<Message, wire::EventRecordWithFlags>;

// Whether it marks, or holds, all streams of a context. The program sees by it how far they are.
template <typename Message>
inline constexpr bool kIsAboutContext =
    std::is_same_v<Message, wire::ContextRecord> || std::is_same_v<Message, wire::ContextWait>;

// Whether the program has no way to see when the message's work is done but by other work.
template <typename Message>
bool IsUnseen(const Message& message) {
  if constexpr (std::is_same_v<Message, wire::CopyIn>) {
    return message.data.size() <= kUnseenCopyBytesMax;
  } else {
    return std::is_same_v<Message, wire::MemsetD8Async> ||
           std::is_same_v<Message, wire::MemsetD16Async> ||
           std::is_same_v<Message, wire::MemsetD32Async> ||
           std::is_same_v<Message, wire::MemsetD2D8Async> ||
           std::is_same_v<Message, wire::MemsetD2D16Async> ||
           std::is_same_v<Message, wire::MemsetD2D32Async> ||
           std::is_same_v<Message, wire::MemcpyDtoDAsync> ||
           std::is_same_v<Message, wire::StreamCreateWithPriority>;
  }
}

// Thread: any.
class Completions {
 public:
  // Watches that may be open; with more, the server is asked. The server refuses far more.
  static constexpr size_t kWatchesMax = 64;

  explicit Completions(Session& session) : session_(session) {}

  // With every post, in the order of their numbers: its caller holds the channel's writing.
  template <typename Message>
  void NotePosted(const Message& message, wire::Sequence number) {
    posted_.store(number, std::memory_order_relaxed);
    // A fence is no work of its stream: who asks about that is not to wait for it. Records have
    // NoteRecorded.
    if constexpr (std::is_same_v<Message, wire::StreamWaitEvent>) {
      NoteWait(message, number);
    } else if constexpr (requires { message.stream_of(); } && !kIsRecord<Message> &&
                         !std::is_same_v<Message, wire::StreamFence>) {
      const bool visible = !IsUnseen(message);
      if (message.stream_of() != 0) {
        NoteStream(message.stream_of(), number, visible);
      } else if (visible) {
        legacy_->visible.store(number, std::memory_order_release);
      }
    }
    if constexpr (kIsAboutContext<Message>) {
      whole_->visible.store(number, std::memory_order_release);
    }
    if constexpr (std::is_same_v<Message, wire::ContextRecord>) {
      NoteRecordedUnplaced(message.event, number);
    } else if constexpr (std::is_same_v<Message, wire::EventCreate>) {
      NoteCreated(message.phEvent, message.Flags);
    } else if constexpr (std::is_same_v<Message, wire::StreamDestroy>) {
      ForgetAwaited(message.hStream);
    }
  }

  // After NotePosted of a record, which its stream's work ends with: the program can see it if the
  // event tells its time. Adds a watch where the event is one that is asked about.
  void NoteRecorded(channel::BatchWriter& writer,
                    wire::Handle event,
                    wire::Handle stream,
                    wire::Sequence number);

  // After NotePosted of what records the event, but not at the end of one stream's work: the launch
  // of a graph that records it somewhere, or a record of a whole context. Only the server's driver
  // knows how far all of that is.
  void NoteRecordedUnplaced(wire::Handle event, wire::Sequence number);

  // Before a question is sent. What is no question about progress knows nothing.
  template <typename Message>
  Question About(wire::Handle /*context*/, const Message& /*message*/) {
    return {};
  }

  Question About(wire::Handle context, const wire::EventQuery& question);
  Question About(wire::Handle context, const wire::EventSynchronize& question);
  Question About(wire::Handle context, const wire::StreamQuery& question);
  Question About(wire::Handle context, const wire::StreamSynchronize& question);
  Question About(wire::Handle context, const wire::ContextSynchronize& question);

  // Somebody else can see memory of this client: from now on every wait is one.
  void NoteShared() { shared_.store(true, std::memory_order_relaxed); }

  // When it has been answered.
  void Learn(const Question& question, CUresult result);

  wire::WireError OnReached(const wire::MessageView& message);

  // With the reading thread: a command has failed. If others were to be ordered by it, they are
  // not, and what was concluded from that may be wrong.
  void NoteFailed(wire::Op op, wire::Sequence number);

  // Whether what a message did on a stream is known to be done.
  bool IsStreamDone(wire::Handle stream, wire::Sequence number);

  // Asks to be told when all that is on a stream is done; 0 when too much is asked for already.
  wire::Sequence OpenWatch(wire::Handle context, wire::Handle stream);
  bool IsOpen(wire::Sequence watch) const;

 private:
  // The answer to a question about something that a watch is behind, after a look at what has come.
  std::optional<CUresult> LookAtWatch(wire::Sequence watch);

  void NoteStream(wire::Handle stream, wire::Sequence number, bool visible);
  void WatchRecord(channel::BatchWriter& writer, Recording* recording, wire::Handle stream);
  void NoteCreated(wire::Handle event, uint32_t flags);
  void NoteWait(const wire::StreamWaitEvent& wait, wire::Sequence number);
  // Two streams may have waited for each other.
  void ForgetAwaited(wire::Handle stream);
  // Notes it, unless the program could see when the awaited work is done, or there is no room.
  bool AwaitUnseen(StreamProgress& waiting, const Recording& recording, wire::Sequence number);
  bool MayFence(wire::Handle stream);
  bool IsKnownDone(const StreamProgress& progress, wire::Sequence number) const;
  // Whether all on a stream that can be seen is known to be done.
  bool IsVisibleDone(const Stream& stream) const;
  std::shared_ptr<StreamProgress> ProgressOf(wire::Handle stream);
  Question AboutEvent(wire::Handle event);
  Question AboutStream(wire::Handle context, wire::Handle stream);
  Question AboutAll(const std::shared_ptr<StreamProgress>& progress);
  bool MayOpen() const;

  Session& session_;
  std::atomic<bool> shared_{false};
  std::atomic<wire::Sequence> posted_{0};  // the last message of all
  // Of what was posted up to here nothing is known to be done, only what the server is asked about.
  std::atomic<wire::Sequence> doubted_{0};
  // Of the context, and of its legacy stream: shared with questions under way, as any stream's.
  std::shared_ptr<StreamProgress> whole_ = std::make_shared<StreamProgress>();
  std::shared_ptr<StreamProgress> legacy_ = std::make_shared<StreamProgress>();
  Guarded<std::set<wire::Sequence>> open_;  // watches that have not been reached
};

}  // namespace farlane::shim
