// SPDX-License-Identifier: Apache-2.0
// CommandChannel is the client's end of a command stream: any thread posts, any thread waits for
// the reply to its own call, and no thread of ours stands between a caller and the socket. Whoever
// waits reads, delivers what is for others, and hands the reading on when its own reply has come.
//
// Lock order: writing_ before reading_; neither is held while a listener runs or the stream is
// waited for, except by Close while its goodbye leaves.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "protocol/base/guarded.h"
#include "protocol/base/light_lock.h"
#include "protocol/channel/acknowledge_policy.h"
#include "protocol/channel/batch_reader.h"
#include "protocol/channel/batch_writer.h"
#include "protocol/channel/pulse.h"
#include "protocol/channel/wait_policy.h"

namespace farlane::channel {

// What the server says unasked. Called by whichever thread reads, one at a time, with no lock of
// the channel held. Whoever posts or waits may be that thread, so nobody may do either while
// holding a lock that OnMessage takes.
class ServerListener {
 public:
  virtual ~ServerListener() = default;
  // A message other than Reply. It must not wait and must not call into the channel.
  virtual wire::WireError OnMessage(const wire::MessageView& message) = 0;
  // Whether OnReadingPaused has something to do. Cheap: asked after every round of reading.
  virtual bool HasWork() const = 0;
  // After a round of reading, on a thread that holds nothing: may post. Two threads may be here at
  // once.
  virtual void OnReadingPaused() = 0;
};

class CommandChannel;

// How the server answered a call.
struct Answer {
  int32_t result = 0;
  std::vector<std::byte> body;
};

struct ChannelCounters {
  std::atomic<uint64_t> looks{0};  // of the thread that sends what would wait too long
  std::atomic<uint64_t> posts{0};
  std::atomic<uint64_t> calls{0};
  std::atomic<uint64_t> round_trips{0};  // calls whose answer was waited for
  std::atomic<uint64_t> sleeps{0};       // of callers while another thread reads for them
  std::atomic<uint64_t> sends{0};
  std::atomic<uint64_t> sent_bytes{0};
  std::atomic<uint64_t> received_bytes{0};
};

// A call that has been sent and whose answer is taken later, by whoever needs it first. It stays in
// its place from BeginWith until it ends. Thread: one at a time.
class PendingCall {
 public:
  explicit PendingCall(CommandChannel& channel) : channel_(channel) {}

  PendingCall(const PendingCall&) = delete;
  PendingCall& operator=(const PendingCall&) = delete;
  // Waits, if nobody has: the server answers every call.
  ~PendingCall();

  // Waits for the answer, which is left alone when the channel is lost. Once.
  Status Await(Answer* answer);

 private:
  friend class CommandChannel;

  CommandChannel& channel_;
  bool begun_ = false;
  // Guarded by the channel's reading_, once begun.
  wire::Sequence sequence_ = 0;
  Answer answer_;
  bool done_ = false;
  bool awaited_ = false;  // somebody waits, so it may be given the reading
  std::condition_variable changed_;
};

// Its members stand by what guards them.
// Thread: any.
class CommandChannel {  // NOLINT(clang-analyzer-optin.performance.Padding): as just said
 public:
  // Takes the stream after the hello. `grace`: for so many seconds a silent server is waited for;
  // 0: for ever.
  CommandChannel(std::unique_ptr<transport::Stream> stream,
                 ServerListener& listener,
                 uint32_t grace = kGraceLooks);
  ~CommandChannel();

  // Adds a message to the stream without waiting for anything and returns its number. It leaves at
  // once when the server is idle and no post has just left, else with the next batch: when 16 KiB
  // have gathered, the server has caught up, or the oldest has waited for long. Once the channel is
  // lost, or when the message is too long, nothing is added and 0 is returned.
  template <typename Message>
  wire::Sequence Post(const Message& message) {
    return PostWith([&message](BatchWriter& writer) { return writer.Append(message); });
  }

  // As Post, for several messages with nothing of other threads in between: `append` adds them
  // through the writer and returns what the writer said of the last.
  template <typename Append>
  wire::Sequence PostWith(Append&& append) {
    const std::lock_guard<LightLock> lock(writing_);
    if (is_lost()) {
      return 0;
    }
    const size_t unsent_bytes = writer_.unsent_bytes();
    const wire::Sequence before = writer_.last_sequence();
    const wire::Sequence sequence = append(writer_);
    Count(&counters_.posts, writer_.last_sequence() - before);
    if (unsent_bytes == 0 || writer_.unsent_bytes() >= kFlushBytes || ++unaged_ == kAgeEvery) {
      std::unique_lock<LightLock> held(writing_, std::adopt_lock);
      SendIfDue(held);
      held.release();
    }
    return sequence;
  }

  // As PostWith, where `append` may lend data: that has been sent, or kept, when this returns.
  template <typename Append>
  wire::Sequence PostLentWith(Append&& append) {
    std::unique_lock<LightLock> lock(writing_);
    if (is_lost()) {
      return 0;
    }
    const wire::Sequence before = writer_.last_sequence();
    const wire::Sequence sequence = append(writer_);
    Count(&counters_.posts, writer_.last_sequence() - before);
    FlushLocked(lock);
    return sequence;
  }

  // Adds a call and waits for its answer, which is left alone when the channel is lost.
  // kInvalidArgument: the message is too long, and the channel goes on.
  template <typename Message>
  Status Call(const Message& message, Answer* answer) {
    return CallWith([&message](BatchWriter& writer) { return writer.Append(message); }, answer);
  }

  // Adds a call, sends it and goes on; the last message that `append` adds is the call, of which it
  // returns the number.
  template <typename Append>
  Status BeginWith(Append&& append, PendingCall* pending) {
    std::unique_lock<LightLock> lock(writing_);
    if (is_lost()) {
      return lost();
    }
    const wire::Sequence before = writer_.last_sequence();
    const wire::Sequence sequence = append(writer_);
    const uint64_t posts = writer_.last_sequence() - before - (sequence != 0 ? 1 : 0);
    Count(&counters_.posts, posts);
    if (sequence == 0) {
      return Status(StatusCode::kInvalidArgument, "a call is longer than a message may be");
    }
    Count(&counters_.calls, 1);
    Expect(pending, sequence);
    FlushLocked(lock);
    return Status::Ok();
  }

  // As Call, with `append` as in BeginWith.
  template <typename Append>
  Status CallWith(Append&& append, Answer* answer) {
    PendingCall pending(*this);
    FARLANE_TRY(BeginWith(append, &pending));
    return pending.Await(answer);
  }

  // Sends what is unsent and takes what has arrived, without waiting: for who asks again and again
  // whether something has come. While another thread reads, that one takes it.
  void Poll();

  // Sends what is unsent and reads until `done` holds: for what the listener hears, not for an
  // answer. `done` is asked with no lock held and must be cheap. kTimeout when the deadline has
  // passed.
  Status WaitUntil(const std::function<bool()>& done,
                   transport::Deadline until = transport::kForever);

  // What has come is taken, without sending anything, so that it never waits for room.
  void Listen();

  // To be called about as often as kPulseNs, by any thread: lets the server know that this side is
  // there, if nothing else has, and gives the server up when it has been silent for the grace.
  // Whoever waits for room calls it as well.
  void Beat();

  // Says goodbye, so that the server does not take the end for an accident. Whoever still waits,
  // and whatever is posted from now on, finds the channel lost. Safe to call twice, and from an
  // exit handler that a signal has started inside any other function of this class: then the
  // goodbye may be left out.
  void Close();

  // Why the channel does not work any more; ok while it does.
  Status lost() const;

  // The server is done with this side's messages up to here.
  wire::Sequence executed() const { return executed_.load(std::memory_order_acquire); }

  // For whoever sleeps until something comes while nobody reads, and for its name.
  transport::Stream& stream() { return *stream_; }

  const transport::Stream& stream() const { return *stream_; }

  uint64_t BulkWindowBytes() const { return stream_->BulkWindowBytes(); }

  bool is_lost() const { return is_lost_.load(std::memory_order_acquire); }

  const ChannelCounters& counters() const { return counters_; }

  // In a forked child: forgets the stream and the threads that do not exist there. Nothing else may
  // be called then.
  void AbandonAfterFork();

 private:
  friend class PendingCall;

  // Half of a socket's usual smallest buffer, and beyond the size where larger batches gain
  // anything.
  static constexpr size_t kFlushBytes = 16_KiB;

  // Looking at the clock costs as much as packing a post, so only one post of so many does.
  static constexpr uint32_t kAgeEvery = 8;

  // For what is counted under one lock only: others may look, and an atomic sum would cost more
  // than all the rest of the bookkeeping.
  static void Count(std::atomic<uint64_t>* counter, uint64_t more) {
    counter->store(counter->load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }

  void SendIfDue(std::unique_lock<LightLock>& lock);
  void FlushLocked(std::unique_lock<LightLock>& lock);
  Result<bool> WriteSome();
  void AcknowledgeInPassing();

  bool ServerIsIdle() const { return flushed_ <= executed(); }

  bool WakeTender();
  void SendHeartbeat();
  void ReadInPassing();
  void WaitForRoom();
  void Expect(PendingCall* pending, wire::Sequence sequence);
  Status Await(PendingCall* pending);
  bool TakeRole();
  void GiveRole();
  void GiveRoleLocked();
  Status ReadRound(bool wait, transport::Deadline until = transport::kForever);
  Status DeliverAll();
  void CountRound();
  wire::WireError Deliver(const wire::MessageView& message);
  wire::WireError DeliverReply(const wire::MessageView& message);
  void RunListenerWork();
  void WaitForOthers(uint64_t seen, transport::Deadline until);
  void HearTheLast(const Status& why);
  void Lose(const Status& why);
  void LoseLocked(const Status& why);
  void NudgeTender();
  void TendLoop();
  void TendUnsent();
  void SleepUntilWoken();
  bool StopTending(uint64_t deadline);
  void SayGoodbye(uint64_t deadline);

  std::unique_ptr<transport::Stream> stream_;
  ServerListener& listener_;
  ChannelCounters counters_;

  // Not Guarded: threads let go of these in the middle, and wait on conditions with reading_.
  LightLock writing_;  // guards the next six, and tender_
  BatchWriter writer_;
  wire::Sequence flushed_ = 0;
  uint32_t unaged_ = 0;         // posts since the clock was looked at
  uint64_t posts_left_ns_ = 0;  // when posts were sent last, without a call
  uint64_t looked_ns_ = 0;      // when somebody who posts has last looked for acknowledgements
  bool tender_asleep_ = false;
  std::atomic<uint32_t> nudges_{0};  // of the tender, which sleeps until there is one more
  // Since when the oldest message waits for company; 0: none does. Written under writing_.
  std::atomic<uint64_t> unsent_since_ns_{0};
  std::atomic<bool> closing_{false};

  mutable std::mutex
      reading_;  // guards the next four; the three after them are used by whoever has the role
  bool has_reader_ = false;
  std::vector<PendingCall*> expected_;
  std::condition_variable watch_;  // the role is free, or a round has brought messages
  Status why_lost_;
  BatchReader reader_;
  WaitPolicy wait_ = WaitPolicy::Default();
  AcknowledgePolicy acknowledge_;

  std::atomic<uint64_t> rounds_{0};  // of reading that brought messages
  // Threads in WaitForOthers. Counted before they look at the rounds, and looked at after a round
  // has been counted, so nobody misses the last one.
  std::atomic<uint32_t> watchers_{0};
  std::atomic<wire::Sequence> executed_{0};   // the server has executed everything up to here
  std::atomic<wire::Sequence> offered_{0};    // and may have received everything up to here
  std::atomic<wire::Sequence> delivered_{0};  // the server's messages up to here are dealt with
  const uint32_t grace_;
  std::atomic<uint64_t> beat_ns_{0};  // when Beat looks again
  Guarded<Pulse> pulse_;
  std::atomic<bool> has_beaten_{false};  // the server has heard a heartbeat
  std::atomic<bool> is_lost_{false};
  std::atomic<bool> tending_over_{false};
  std::thread tender_;
};

}  // namespace farlane::channel
