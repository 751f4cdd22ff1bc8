// SPDX-License-Identifier: Apache-2.0
// CallScope is what nearly every call needs first: a session, a current context, and no failure of
// an earlier call that has to be told now. Made at the start of a body; a body goes on only if
// result() is success.
#pragma once

#include "client-shim/capture_posts.h"
#include "client-shim/current_context.h"
#include "client-shim/mirrored_work.h"
#include "client-shim/process.h"

namespace farlane::shim {

// Thread: the caller's, on its stack.
class CallScope {
 public:
  CallScope() : CallScope(CUevent{nullptr}) {}

  // For a call about an event, which may be made in a thread without a current context.
  explicit CallScope(CUevent event_or_null) : session_(Process::Get().session()) {
    if (session_ == nullptr) [[unlikely]] {
      result_ = Process::Get().Why();
    } else if (session_->is_lost()) [[unlikely]] {
      result_ = session_->Lost();
    } else {
      context_ = ThreadState::Mine().current();
      if (context_ == 0 && event_or_null != nullptr) {
        context_ = ContextOf(event_or_null);
      }
      const Context* context = session_->objects().contexts.Find(context_);
      if (context == nullptr || !context->alive) [[unlikely]] {
        result_ = WhyNoContext();
      } else {
        device_ = context->device;
        result_ = session_->TakeError();
      }
    }
  }

  CUresult result() const { return result_; }

  Session& session() const { return *session_; }

  wire::Handle context() const { return context_; }

  int32_t device() const { return device_; }

  bool Knows(CUstream stream) const {
    return session_->objects().streams.Find(ToWire(stream)) != nullptr;
  }

  bool KnowsOrNull(CUstream stream) const { return stream == nullptr || Knows(stream); }

  bool Knows(CUevent event) const {
    return session_->objects().events.Find(ToWire(event)) != nullptr;
  }

  bool Knows(CUfunction function) const {
    return session_->objects().functions.Find(ToWire(function)) != nullptr;
  }

  bool Knows(CUgraph graph) const { return session_->graphs().Knows(ToWire(graph)); }

  bool Knows(CUgraphExec exec) const {
    return session_->objects().graph_execs.Find(ToWire(exec)) != nullptr;
  }

  bool Knows(CUarray array) const { return KnowsArray(ToWire(array), false); }

  bool Knows(CUmipmappedArray array) const { return KnowsArray(ToWire(array), true); }

  bool Knows(CUcontext context) const {
    return session_->objects().contexts.Find(ToWire(context)) != nullptr;
  }

  // A new handle for an object of the current context.
  wire::Handle Mint(wire::HandleKind kind) const {
    return kind == wire::HandleKind::kEvent
               ? session_->objects().events.Mint(Event{.context = context_})
               : 0;
  }

  void Retire(wire::Handle handle) const {
    if (wire::KindOf(handle) == wire::HandleKind::kStream) {
      session_->objects().streams.Retire(handle);
    } else if (wire::KindOf(handle) == wire::HandleKind::kEvent) {
      session_->objects().events.Retire(handle);
    }
  }

  // Whether `rows` rows of `count` elements, `pitch` bytes apart, lie inside one allocation.
  bool OwnsRows(CUdeviceptr address,
                uint64_t count,
                uint64_t element_bytes,
                uint64_t pitch,
                uint64_t rows) const;

  // Posts; CUDA_SUCCESS unless the server is lost or calls are to wait and an earlier one failed.
  template <typename Message>
  CUresult Post(const Message& message) const {
    return PostNoting(message, [](wire::Sequence) {});
  }

  // As Post; `note` is called with the message's number before anybody can answer it.
  template <typename Message, typename Note>
  CUresult PostNoting(const Message& message, Note&& note) const {
    if (MeetsCapture(*session_, message)) [[unlikely]] {
      CUresult taken = CUDA_SUCCESS;
      if (TakeIntoCapture(*session_, context_, message, &taken)) {
        return taken;
      }
    }
    {
      const MirroredWork work(*session_, context_, message);
      if (work.result() != CUDA_SUCCESS) [[unlikely]] {
        return work.result();
      }
      session_->PostNoting(context_, message, note);
      session_->NoteWork();
    }
    // A record of an event, or a wait for it.
    if constexpr (requires {
                    message.hEvent;
                    message.hStream;
                  }) {
      if (session_->shares().any()) [[unlikely]] {
        return session_->shares().AwaitIfShared(context_, message.hEvent);
      }
    }
    return session_->config().synchronous ? WaitForPosted() : CUDA_SUCCESS;
  }

  template <typename Message>
  CUresult Call(const Message& message) const {
    if (MeetsCapture(*session_, message)) [[unlikely]] {
      CUresult taken = CUDA_SUCCESS;
      if (TakeIntoCapture(*session_, context_, message, &taken)) {
        return taken;
      }
    }
    const Question question = session_->completions().About(context_, message);
    if (question.known.has_value()) {
      return *question.known;
    }
    // Who asks again and again would look through all of it again and again.
    constexpr bool kOnlyAsks =
        std::is_same_v<Message, wire::EventQuery> || std::is_same_v<Message, wire::StreamQuery>;
    const CUresult sent = kOnlyAsks ? CUDA_SUCCESS : SendMirrored();
    if (sent != CUDA_SUCCESS) [[unlikely]] {
      return sent;
    }
    const CUresult result = session_->Call(context_, message);
    session_->completions().Learn(question, result);
    return result == CUDA_SUCCESS ? FetchMirrored() : result;
  }

  template <typename Message, typename Reply>
  CUresult Call(const Message& message, Reply* reply) const {
    return session_->Call(context_, message, reply);
  }

  CUresult CheckSafe() const { return session_->CheckSafe(); }

  // Whether an event may be asked about: not one that marks a place in a graph.
  CUresult CheckEvent(CUevent event) const {
    return session_->captures().has_events() ? session_->captures().AskEvent(ToWire(event))
                                             : CUDA_SUCCESS;
  }

  // For what may not be on a captured stream: spoils the capture.
  CUresult RefuseCaptured(CUstream stream) const;

  // Before a wait for work that may itself wait for what the program writes to mirrored memory.
  CUresult SendMirrored() const { return session_->mirrored().SendToRunning(context_); }

  // After a wait that may have seen mirrored memory change.
  CUresult FetchMirrored() const {
    return session_->mirrored().any() ? session_->mirrored().Fetch(context_) : CUDA_SUCCESS;
  }

  // Where the device has memory of the program that is mirrored; 0 for all other memory.
  CUdeviceptr DeviceSideOf(const void* host, uint64_t bytes) const {
    const std::optional<Mirror> found = session_->mirrored().FindHost(host, bytes);
    return !found.has_value()
               ? 0
               : found->device_address + (reinterpret_cast<uint64_t>(host) - found->host_address);
  }

  // Waits for all work of the context, so that a failure of what was posted shows now.
  CUresult WaitForPosted() const;

 private:
  // 0 for an event that there is not, and inside functions that may not call us.
  wire::Handle ContextOf(CUevent event) const;
  CUresult WhyNoContext() const;

  bool KnowsArray(wire::Handle handle, bool is_mipmapped) const {
    const ArrayObject* array = session_->objects().arrays.Find(handle);
    return array != nullptr && array->is_mipmapped == is_mipmapped;
  }

  Session* const session_;
  wire::Handle context_ = 0;
  int32_t device_ = 0;
  CUresult result_ = CUDA_SUCCESS;
};

}  // namespace farlane::shim
