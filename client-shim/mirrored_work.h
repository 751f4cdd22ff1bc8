// SPDX-License-Identifier: Apache-2.0
// MirroredWork stands around the posting of work that may read or change mirrored memory: what the
// program has changed is sent before. Where a program has no such memory it costs one load.
#pragma once

#include <type_traits>

#include "client-shim/session.h"

namespace farlane::shim {

// The stream that a message goes to; 0, the legacy stream, for one that names none.
template <typename Message>
wire::Handle StreamOf(const Message& message) {
  if constexpr (requires { message.hStream; }) {
    return message.hStream;
  } else if constexpr (requires { message.stream; }) {
    return message.stream;
  } else {
    return 0;
  }
}

template <typename Message>
concept IsWork = requires(const Message& message) {
  message.stream_of();
};

// Whether nothing of mirrored memory is read or written by what a message asks for.
template <typename Message>
inline constexpr bool kMovesNothing =
    !IsWork<Message> || kIsRecord<Message> || std::is_same_v<Message, wire::StreamWaitEvent> ||
    std::is_same_v<Message, wire::StreamCreateWithPriority> ||
    std::is_same_v<Message, wire::StreamAttribute>;

// What a message can reach of mirrored memory. Fills and copies name it: all of a range lies in one
// allocation. What goes to no stream moves no data. Everything else is taken to be able to reach
// everything.
template <typename Message>
MirrorUse MirrorUseOf(const Message& message) {
  if constexpr (kMovesNothing<Message>) {
    return {.all = false};
  } else if constexpr (requires { message.srcDevice; }) {
    return {.all = false, .read = message.srcDevice, .written = message.dstDevice};
  } else if constexpr (requires { message.dstDevice; }) {
    return {.all = false, .written = message.dstDevice};
  } else if constexpr (std::is_same_v<Message, wire::CopyShape> ||
                       std::is_same_v<Message, wire::ArrayCopyShape>) {
    return {.all = false, .read = message.from, .written = message.to};
  } else {
    return {};
  }
}

// Thread: the caller's, on its stack.
class MirroredWork {
 public:
  MirroredWork(Session& session, wire::Handle context, wire::Handle stream, const MirrorUse& use)
      : mirrored_(session.mirrored().any() && !IsRecorded(session, stream) ? &session.mirrored()
                                                                           : nullptr) {
    if (mirrored_ != nullptr) [[unlikely]] {
      result_ = mirrored_->BeginSend(context, stream, use);
    }
  }

  // What a message does.
  template <typename Message>
  MirroredWork(Session& session, wire::Handle context, const Message& message)
      : mirrored_(kMovesNothing<Message> || !session.mirrored().any()
                      ? nullptr
                      : Begin(session, context, message)) {}

  ~MirroredWork() {
    if (mirrored_ != nullptr) [[unlikely]] {
      mirrored_->EndSend();
    }
  }

  MirroredWork(const MirroredWork&) = delete;
  MirroredWork& operator=(const MirroredWork&) = delete;

  // The work may be posted if this is success.
  CUresult result() const { return result_; }

 private:
  template <typename Message>
  [[gnu::cold, gnu::noinline]] MirroredMemory* Begin(Session& session,
                                                     wire::Handle context,
                                                     const Message& message) {
    if (IsRecorded(session, StreamOf(message))) {
      return nullptr;
    }
    result_ = session.mirrored().BeginSend(context, StreamOf(message), MirrorUseOf(message));
    return &session.mirrored();
  }

  // Nothing of it happens now, and the server may not even know the stream.
  static bool IsRecorded(Session& session, wire::Handle stream) {
    return session.captures().busy() && session.captures().Records(stream);
  }

  CUresult result_ = CUDA_SUCCESS;  // before what is made by Begin
  MirroredMemory* const mirrored_;
};

}  // namespace farlane::shim
