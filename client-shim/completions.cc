// SPDX-License-Identifier: Apache-2.0
#include "client-shim/completions.h"

#include <algorithm>

#include "client-shim/session.h"

namespace farlane::shim {
namespace {

// Numbers are learned by several threads in any order, and what is done stays done.
void Raise(std::atomic<wire::Sequence>* to, wire::Sequence number) {
  wire::Sequence known = to->load(std::memory_order_relaxed);
  while (known < number && !to->compare_exchange_weak(known, number, std::memory_order_release,
                                                      std::memory_order_relaxed)) {
  }
}

bool IsPowerOfTwo(uint32_t number) {
  return (number & (number - 1)) == 0;
}

}  // namespace

// ---- what is posted

std::shared_ptr<StreamProgress> Completions::ProgressOf(wire::Handle stream) {
  const Stream* found = session_.objects().streams.Find(stream);
  return found == nullptr ? nullptr : found->progress;
}

void Completions::NoteStream(wire::Handle stream, wire::Sequence number, bool visible) {
  const Stream* found = session_.objects().streams.Find(stream);
  if (found != nullptr) {
    if (visible) {
      found->progress->visible.store(number, std::memory_order_relaxed);
    }
    found->progress->posted.store(number, std::memory_order_release);
  }
}

void Completions::NoteRecorded(channel::BatchWriter& writer,
                               wire::Handle event,
                               wire::Handle stream,
                               wire::Sequence number) {
  const Event* found = session_.objects().events.Find(event);
  Recording* const recording = found == nullptr ? nullptr : found->recording.get();
  if (stream == 0) {
    legacy_->visible.store(number, std::memory_order_release);
  } else {
    NoteStream(stream, number,
               recording != nullptr && (recording->timed.load(std::memory_order_relaxed) ||
                                        recording->shared.load(std::memory_order_relaxed)));
  }
  if (recording == nullptr) {
    return;
  }
  recording->stream.store(stream, std::memory_order_relaxed);
  recording->asks.store(0, std::memory_order_relaxed);
  if (recording->asked.load(std::memory_order_relaxed)) [[unlikely]] {
    WatchRecord(writer, recording, stream);
  }
  recording->recorded.store(number, std::memory_order_release);
}

void Completions::WatchRecord(channel::BatchWriter& writer,
                              Recording* recording,
                              wire::Handle stream) {
  if (!MayOpen()) {
    return;
  }
  const wire::Watch watch{.stream = stream};
  const wire::Sequence watched = writer.Append(watch);
  open_.With([watched](auto& open) { open.insert(watched); });
  NotePosted(watch, watched);
  recording->watch.store(watched, std::memory_order_relaxed);
}

// No watch of one stream says how far that is: the server is asked. Nor does it say how far any
// stream is.
void Completions::NoteRecordedUnplaced(wire::Handle event, wire::Sequence number) {
  const Event* found = session_.objects().events.Find(event);
  if (found != nullptr) {
    found->recording->stream.store(0, std::memory_order_relaxed);
    found->recording->unplaced.store(number, std::memory_order_relaxed);
    found->recording->recorded.store(number, std::memory_order_release);
  }
}

void Completions::NoteCreated(wire::Handle event, uint32_t flags) {
  const Event* found = session_.objects().events.Find(event);
  if (found != nullptr) {
    found->recording->timed.store((flags & CU_EVENT_DISABLE_TIMING) == 0,
                                  std::memory_order_relaxed);
  }
}

void Completions::NoteWait(const wire::StreamWaitEvent& wait, wire::Sequence number) {
  const Stream* waiting = session_.objects().streams.Find(wait.hStream);
  if (waiting == nullptr) {
    legacy_->visible.store(number, std::memory_order_release);
    return;
  }
  const Event* event = session_.objects().events.Find(wait.hEvent);
  if (event == nullptr || !AwaitUnseen(*waiting->progress, *event->recording, number)) {
    waiting->progress->visible.store(number, std::memory_order_relaxed);
  }
  waiting->progress->posted.store(number, std::memory_order_release);
}

void Completions::ForgetAwaited(wire::Handle stream) {
  const std::shared_ptr<StreamProgress> progress = ProgressOf(stream);
  if (progress != nullptr) {
    progress->awaited = {};
  }
}

bool Completions::AwaitUnseen(StreamProgress& waiting,
                              const Recording& recording,
                              wire::Sequence number) {
  const wire::Sequence recorded = recording.recorded.load(std::memory_order_relaxed);
  if (recording.shared.load()) {
    return false;
  }
  if (recorded == 0) {
    return true;  // there is nothing to wait for
  }
  const Stream* other =
      session_.objects().streams.Find(recording.stream.load(std::memory_order_relaxed));
  if (other == nullptr || !IsVisibleDone(*other)) {
    return false;
  }
  const auto is_open = [this](const StreamProgress::Awaited& one) {
    return one.stream != nullptr && !IsKnownDone(*one.stream, one.number);
  };
  StreamProgress::Awaited* room = nullptr;
  for (StreamProgress::Awaited& one : waiting.awaited) {
    if (one.stream == other->progress) {
      room = &one;
      break;
    }
    room = room == nullptr && !is_open(one) ? &one : room;
  }
  // What the other waits for itself would have to be known of here as well.
  const auto& further = other->progress->awaited;
  if (room == nullptr || std::any_of(further.begin(), further.end(), is_open)) {
    return false;
  }
  if (room->stream != other->progress) {
    room->stream = other->progress;
  }
  room->number = recorded;
  room->at = number;
  return true;
}

// ---- watches

bool Completions::MayOpen() const {
  return open_.With([](const auto& open) { return open.size() < kWatchesMax; });
}

bool Completions::IsOpen(wire::Sequence watch) const {
  return open_.With([watch](const auto& open) { return open.count(watch) != 0; });
}

// 0 when there are too many.
wire::Sequence Completions::OpenWatch(wire::Handle context, wire::Handle stream) {
  if (!MayOpen()) {
    return 0;
  }
  return session_.PostNoting(context, wire::Watch{.stream = stream}, [this](wire::Sequence number) {
    open_.With([number](auto& open) { open.insert(number); });
  });
}

wire::WireError Completions::OnReached(const wire::MessageView& message) {
  wire::Reached reached;
  FARLANE_WIRE_TRY(Decode(message.body, &reached));
  const bool was_open =
      open_.With([&reached](auto& open) { return open.erase(reached.watch) != 0; });
  if (!was_open) {
    return wire::WireError::kBadReference;
  }
  if (IsFault(static_cast<CUresult>(reached.result))) {
    session_.NoteFailure(static_cast<CUresult>(reached.result));
  }
  return wire::WireError::kNone;
}

std::optional<CUresult> Completions::LookAtWatch(wire::Sequence watch) {
  if (IsOpen(watch)) {
    session_.channel().Poll();
    if (session_.is_lost()) {
      return session_.Lost();
    }
    if (IsOpen(watch)) {
      return CUDA_ERROR_NOT_READY;
    }
  }
  return session_.TakeError();
}

// ---- questions

Question Completions::AboutEvent(wire::Handle event) {
  Question question;
  const Event* found = session_.objects().events.Find(event);
  if (found == nullptr || session_.mirrored().any() || found->recording->shared.load()) {
    return question;
  }
  Recording& recording = *found->recording;
  question.event = found->recording;
  question.about = recording.recorded.load(std::memory_order_acquire);
  question.watched = recording.stream.load(std::memory_order_relaxed);
  if (question.about == 0 || IsStreamDone(question.watched, question.about)) {
    question.known = CUDA_SUCCESS;
    return question;
  }
  if (recording.unplaced.load(std::memory_order_relaxed) == question.about) {
    return question;
  }
  const wire::Sequence watch = recording.watch.load(std::memory_order_relaxed);
  if (watch < question.about) {
    question.may_watch = true;
    return question;
  }
  const std::optional<CUresult> seen = LookAtWatch(watch);
  // A watch that was opened later waits for what came in between as well, so the server is still
  // asked, ever more rarely.
  const bool exact = watch == question.about + 1;
  const uint32_t asks = recording.asks.fetch_add(1, std::memory_order_relaxed);
  if (seen != CUDA_ERROR_NOT_READY || exact || !IsPowerOfTwo(asks)) {
    question.known = seen;
  }
  return question;
}

void Completions::NoteFailed(wire::Op op, wire::Sequence number) {
  if (op == wire::Op::kEventRecord || op == wire::Op::kEventRecordWithFlags ||
      op == wire::Op::kStreamWaitEvent || op == wire::Op::kStreamFence) {
    Raise(&doubted_, number);
  }
}

// Nothing (0) is always done.
bool Completions::IsKnownDone(const StreamProgress& progress, wire::Sequence number) const {
  return number == 0 || (progress.done.load(std::memory_order_acquire) >= number &&
                         doubted_.load(std::memory_order_acquire) < number);
}

bool Completions::IsStreamDone(wire::Handle stream, wire::Sequence number) {
  if (IsKnownDone(*whole_, number)) {
    return true;
  }
  const std::shared_ptr<StreamProgress> progress = ProgressOf(stream);
  return progress != nullptr && IsKnownDone(*progress, number);
}

Question Completions::AboutStream(wire::Handle context, wire::Handle stream) {
  if (stream == 0) {
    return AboutAll(legacy_);
  }
  Question question;
  question.stream = ProgressOf(stream);
  if (question.stream == nullptr || session_.mirrored().any()) {
    return Question();
  }
  question.context = context;
  question.watched = stream;
  question.about = question.stream->posted.load(std::memory_order_acquire);
  question.may_watch = true;
  if (IsStreamDone(stream, question.about)) {
    question.known = CUDA_SUCCESS;
  } else if (question.stream->watched.load(std::memory_order_acquire) >= question.about) {
    question.known = LookAtWatch(question.stream->watched.load(std::memory_order_relaxed));
    question.may_watch = false;
  }
  return question;
}

// The legacy stream waits for every blocking stream, so it is done when all that was posted is.
// With a second context nothing is known of either.
Question Completions::AboutAll(const std::shared_ptr<StreamProgress>& progress) {
  Question question;
  if (session_.mirrored().any() || !session_.HasOneContext()) {
    return question;
  }
  question.stream = progress;
  question.about = posted_.load(std::memory_order_acquire);
  if (IsStreamDone(0, question.about) || IsKnownDone(*progress, question.about)) {
    question.known = CUDA_SUCCESS;
  }
  return question;
}

Question Completions::About(wire::Handle context, const wire::EventQuery& question) {
  Question asked = AboutEvent(question.hEvent);
  asked.context = context;
  return asked;
}

Question Completions::About(wire::Handle context, const wire::EventSynchronize& question) {
  Question asked = About(context, wire::EventQuery{.hEvent = question.hEvent});
  if (asked.known == CUDA_ERROR_NOT_READY) {
    asked.known.reset();
  }
  asked.may_watch = false;
  return asked;
}

Question Completions::About(wire::Handle context, const wire::StreamQuery& question) {
  return AboutStream(context, question.hStream);
}

Question Completions::About(wire::Handle context, const wire::StreamSynchronize& question) {
  Question asked = AboutStream(context, question.hStream);
  if (asked.known == CUDA_ERROR_NOT_READY) {
    asked.known.reset();
  }
  asked.may_watch = false;
  const std::shared_ptr<StreamProgress> progress = ProgressOf(question.hStream);
  if (asked.known.has_value() || progress == nullptr) {
    return asked;
  }
  // Looked up before what is visible: of what other threads post meanwhile nothing is known.
  const wire::Sequence about = progress->posted.load(std::memory_order_acquire);
  if (MayFence(question.hStream)) {
    session_.PostNoting(context, wire::StreamFence{.stream = question.hStream},
                        [&progress, about](wire::Sequence) {
                          for (StreamProgress::Awaited& one : progress->awaited) {
                            if (one.stream != nullptr && one.at <= about) {
                              Raise(&one.stream->done, one.number);
                              one.stream.reset();
                            }
                          }
                        });
    Raise(&progress->done, about);
    asked.known = CUDA_SUCCESS;
  }
  return asked;
}

bool Completions::MayFence(wire::Handle stream) {
  const Stream* found = session_.objects().streams.Find(stream);
  return found != nullptr && !shared_.load(std::memory_order_relaxed) &&
         !session_.mirrored().is_behind() && !session_.config().synchronous &&
         IsVisibleDone(*found);
}

bool Completions::IsVisibleDone(const Stream& stream) const {
  const wire::Sequence visible = std::max(stream.progress->visible.load(std::memory_order_relaxed),
                                          whole_->visible.load(std::memory_order_acquire));
  if (!IsKnownDone(*whole_, visible) && !IsKnownDone(*stream.progress, visible)) {
    return false;
  }
  if ((stream.flags & CU_STREAM_NON_BLOCKING) != 0) {
    return true;
  }
  // What is on the legacy stream comes before what a blocking stream does.
  const wire::Sequence before = legacy_->visible.load(std::memory_order_acquire);
  return IsKnownDone(*whole_, before) || IsKnownDone(*legacy_, before);
}

Question Completions::About(wire::Handle /*context*/,
                            const wire::ContextSynchronize& /*question*/) {
  return AboutAll(whole_);
}

void Completions::Learn(const Question& question, CUresult result) {
  if (result == CUDA_SUCCESS && question.stream != nullptr) {
    Raise(&question.stream->done, question.about);
  }
  if (result == CUDA_SUCCESS && question.event != nullptr) {
    // An event behind the work of a stream says how far the stream is.
    const std::shared_ptr<StreamProgress> stream = ProgressOf(question.watched);
    if (stream != nullptr) {
      Raise(&stream->done, question.about);
    }
  }
  if (result != CUDA_ERROR_NOT_READY || !question.may_watch) {
    return;
  }
  if (question.event != nullptr) {
    question.event->asked.store(true, std::memory_order_relaxed);
  }
  const wire::Sequence watch = OpenWatch(question.context, question.watched);
  if (watch == 0) {
    return;
  }
  if (question.event != nullptr) {
    Raise(&question.event->watch, watch);
  } else {
    Raise(&question.stream->watched, watch);
  }
}

}  // namespace farlane::shim
