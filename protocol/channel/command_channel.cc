// SPDX-License-Identifier: Apache-2.0
#include "protocol/channel/command_channel.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <system_error>

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/log.h"

namespace farlane::channel {
namespace {

constexpr uint64_t kTendEveryNs = 50'000;  // a message waits about so long for company
// The tender looks more and more rarely while posts keep leaving by themselves: each look is a
// timer, which takes 30 µs from the thread it interrupts in a virtual machine. Hence a stream of
// posts that ends without a wait leaves its last ones behind for no longer than it has lasted.
constexpr uint64_t kTendRarelyNs = 800'000;
constexpr uint64_t kBurstNs = 20'000;  // posts closer to each other than this may travel together
constexpr uint64_t kLookEveryNs = 10'000;  // a look at the socket is a system call, a post is not
constexpr uint64_t kTendSilenceNs = 1'000'000;  // after so long without work the tender sleeps
constexpr uint64_t kRoomCheckNs =
    100'000'000;  // a blocked writer looks this often whether somebody else reads

constexpr uint64_t kWatchNs = 100'000'000;  // a wait with a deadline looks at the clock this often

// A thread of ours must not take the signals of the program that it lives in. No thread at all when
// the program has used up its share of them.
std::thread StartWithoutSignals(void (*run)(CommandChannel*), CommandChannel* channel) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread;
  try {
    thread = std::thread(run, channel);
  } catch (const std::system_error&) {
    LogDebug("no thread can be started: small commands leave one by one");
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

Status Broken(wire::WireError error) {
  return Status(StatusCode::kCorrupt,
                std::string("the server broke the protocol: ") + WireErrorName(error));
}

}  // namespace

CommandChannel::CommandChannel(std::unique_ptr<transport::Stream> stream,
                               ServerListener& listener,
                               uint32_t grace)
    : stream_(std::move(stream)),
      listener_(listener),
      writer_(*stream_),
      reader_(*stream_, wire::Side::kServer),
      grace_(grace),
      pulse_(std::in_place, grace) {}

CommandChannel::~CommandChannel() {
  if (stream_ != nullptr) {
    Close();
  }
}

PendingCall::~PendingCall() {
  if (begun_) {
    Answer nobodys;
    static_cast<void>(Await(&nobodys));
  }
}

Status PendingCall::Await(Answer* answer) {
  Status status = channel_.Await(this);
  if (status.ok()) {
    *answer = std::move(answer_);
  }
  return status;
}

// ---- writing

// The acknowledgements are the clock: while the server is busy, posts gather; when it has caught
// up, they leave. Whoever posts drives it, so that nothing but posting is needed while posts come.
void CommandChannel::SendIfDue(std::unique_lock<LightLock>& lock) {
  const uint64_t now = NowNs();
  const uint64_t since = unsent_since_ns_.load(std::memory_order_relaxed);
  unaged_ = 0;
  if (writer_.unsent_bytes() >= kFlushBytes || (since != 0 && now - since >= kTendEveryNs)) {
    FlushLocked(lock);
    posts_left_ns_ = now;
    return;
  }
  // A server that is as quick as a send would have every post of a burst leave alone.
  const bool in_burst = now - posts_left_ns_ < kBurstNs;
  bool has_work = false;
  if (!in_burst && now - looked_ns_ >= kLookEveryNs && !ServerIsIdle()) {
    // Its acknowledgement may lie there unread. Others must be able to post while a listener runs.
    looked_ns_ = now;
    lock.unlock();
    ReadInPassing();
    has_work = listener_.HasWork();
    lock.lock();
  }
  if (!in_burst && ServerIsIdle()) {
    FlushLocked(lock);
    posts_left_ns_ = now;
  }
  if (writer_.unsent_bytes() != 0 && since == 0) {
    unsent_since_ns_.store(now, std::memory_order_release);
  }
  // Gathers company; the tender sees to it that it is not for long if nobody posts any more.
  if ((writer_.unsent_bytes() != 0 || has_work) && !WakeTender()) {
    FlushLocked(lock);
  }
}

bool CommandChannel::WakeTender() {
  if (closing_.load(std::memory_order_acquire)) {
    return true;  // Close sends what is left
  }
  if (!tender_.joinable()) {
    tender_ = StartWithoutSignals([](CommandChannel* channel) { channel->TendLoop(); }, this);
    return tender_.joinable();
  }
  if (tender_asleep_) {
    tender_asleep_ = false;
    NudgeTender();
  }
  return true;
}

void CommandChannel::NudgeTender() {
  nudges_.fetch_add(1, std::memory_order_release);
  WakeOne(nudges_);
}

Result<bool> CommandChannel::WriteSome() {
  const uint64_t writes_before = writer_.writes_count();
  const uint64_t bytes_before = writer_.written_bytes();
  const wire::Sequence last = writer_.last_sequence();
  writer_.Acknowledge(delivered_.load(std::memory_order_acquire));
  offered_.store(last, std::memory_order_release);
  Result<bool> done = writer_.Flush();
  counters_.sends.fetch_add(writer_.writes_count() - writes_before, std::memory_order_relaxed);
  counters_.sent_bytes.fetch_add(writer_.written_bytes() - bytes_before, std::memory_order_relaxed);
  if (done.ok() && *done) {
    flushed_ = last;
    unsent_since_ns_.store(0, std::memory_order_release);
  }
  return done;
}

void CommandChannel::FlushLocked(std::unique_lock<LightLock>& lock) {
  // Close has a deadline, which nobody who writes may make it miss.
  while (!is_lost() && !closing_.load(std::memory_order_acquire)) {
    const Result<bool> done = WriteSome();
    if (done.ok() && *done) {
      return;
    }
    lock.unlock();
    done.ok() ? WaitForRoom() : HearTheLast(done.error());
    lock.lock();
  }
  writer_.Keep();  // who has lent something goes on now
}

// By whoever reads, between two rounds. A client that only receives has nothing else that would
// tell the server, which keeps what is not acknowledged.
void CommandChannel::AcknowledgeInPassing() {
  if (!acknowledge_.IsDue(reader_.read_bytes(), false)) {
    return;
  }
  std::unique_lock<LightLock> lock(writing_);
  if (is_lost() || closing_.load(std::memory_order_acquire)) {
    return;
  }
  writer_.Acknowledge(delivered_.load(std::memory_order_acquire));
  writer_.AppendAcknowledgement();
  const Result<bool> done = WriteSome();
  if (done.ok() && !*done) {
    unsent_since_ns_.store(NowNs(), std::memory_order_release);
    static_cast<void>(WakeTender());
  }
}

void CommandChannel::WaitForRoom() {
  Beat();
  // The server may be waiting for us to read before it reads on, so a blocked writer reads.
  const uint64_t until = NowNs() + kRoomCheckNs;
  if (!TakeRole()) {
    (void)stream_->Wait(transport::Interest::kWrite, until);  // a failure shows at the next write
    return;
  }
  Status status = ReadRound(false);
  if (status.ok()) {
    (void)stream_->Wait(transport::Interest::kReadOrWrite, until);
  }
  GiveRole();
  if (!status.ok()) {
    Lose(status);
  }
  RunListenerWork();
}

void CommandChannel::ReadInPassing() {
  if (!TakeRole()) {
    return;
  }
  const Status status = ReadRound(false);
  GiveRole();
  if (!status.ok()) {
    Lose(status);
  }
}

void CommandChannel::Poll() {
  {
    std::unique_lock<LightLock> lock(writing_);
    if (writer_.unsent_bytes() != 0) {
      FlushLocked(lock);
    }
  }
  Listen();
}

void CommandChannel::Listen() {
  ReadInPassing();
  RunListenerWork();
}

void CommandChannel::TendLoop() {
  prctl(PR_SET_NAME, "farlane-tend");
  prctl(PR_SET_TIMERSLACK, 1000ul);  // the default of 50 µs would double the time a message waits
  uint64_t last_work = NowNs();
  uint64_t pause_ns = kTendEveryNs;
  while (!closing_.load(std::memory_order_acquire) && !is_lost()) {
    const uint64_t now = NowNs();
    const uint64_t since = unsent_since_ns_.load(std::memory_order_acquire);
    last_work = since != 0 ? now : last_work;
    counters_.looks.fetch_add(1, std::memory_order_relaxed);
    if (since != 0 && now - since >= kTendEveryNs) {
      TendUnsent();
      pause_ns = kTendEveryNs;
      continue;
    }
    if (now - last_work > kTendSilenceNs) {
      SleepUntilWoken();
      last_work = NowNs();
      pause_ns = kTendEveryNs;
    } else if (since == 0) {
      ReadInPassing();
      RunListenerWork();
    }
    const timespec pause{.tv_sec = 0, .tv_nsec = static_cast<long>(pause_ns)};
    nanosleep(&pause, nullptr);
    pause_ns = std::min(2 * pause_ns, kTendRarelyNs);
  }
  tending_over_.store(true, std::memory_order_release);
}

void CommandChannel::SleepUntilWoken() {
  std::unique_lock<LightLock> lock(writing_);
  tender_asleep_ = writer_.unsent_bytes() == 0;
  while (tender_asleep_ && !closing_.load(std::memory_order_acquire) && !is_lost()) {
    const uint32_t seen = nudges_.load(std::memory_order_acquire);
    lock.unlock();
    SleepWhile(nudges_, seen);
    lock.lock();
  }
}

void CommandChannel::TendUnsent() {
  ReadInPassing();
  RunListenerWork();
  std::unique_lock<LightLock> lock(writing_);
  if (writer_.unsent_bytes() != 0) {
    posts_left_ns_ = NowNs();
    FlushLocked(lock);
  }
}

// ---- reading

bool CommandChannel::TakeRole() {
  std::lock_guard<std::mutex> lock(reading_);
  if (has_reader_) {
    return false;
  }
  has_reader_ = true;
  return true;
}

void CommandChannel::GiveRole() {
  std::lock_guard<std::mutex> lock(reading_);
  GiveRoleLocked();
}

void CommandChannel::GiveRoleLocked() {
  has_reader_ = false;
  // Whoever still waits for an answer goes on reading; one is enough.
  const auto next = std::find_if(expected_.begin(), expected_.end(),
                                 [](const PendingCall* e) { return e->awaited_ && !e->done_; });
  if (next != expected_.end()) {
    (*next)->changed_.notify_one();
  }
  if (watchers_.load() != 0) {
    watch_.notify_all();
  }
}

Status CommandChannel::ReadRound(bool wait, transport::Deadline until) {
  using Look = BatchReader::Look;
  Result<Look> look = reader_.Fill();
  const auto something = [&] {
    look = reader_.Fill();
    return !look.ok() || *look != Look::kNothing;
  };
  if (wait && look.ok() && *look == Look::kNothing && !wait_.Spin(something)) {
    FARLANE_ASSIGN([[maybe_unused]] const bool ready,
                   stream_->Wait(transport::Interest::kRead, until));
    look = reader_.Fill();
  }
  FARLANE_TRY(look);
  if (*look == Look::kClosed || *look == Look::kBye) {
    FARLANE_TRY(DeliverAll());
    return Status(StatusCode::kUnavailable, *look == Look::kBye
                                                ? "the server ended the session"
                                                : "the server closed the connection");
  }
  return *look == Look::kNothing ? Status::Ok() : DeliverAll();
}

Status CommandChannel::DeliverAll() {
  bool any = false;
  while (true) {
    wire::MessageView message;
    bool found = false;
    wire::WireError error = reader_.Next(&message, &found);
    if (error == wire::WireError::kNone && found) {
      error = Deliver(message);
    }
    if (error != wire::WireError::kNone) {
      return Broken(error);
    }
    if (!found) {
      break;
    }
    any = true;
  }
  if (reader_.executed_by_peer() > offered_.load(std::memory_order_acquire)) {
    return Broken(wire::WireError::kOutOfOrder);  // it has executed what was never sent
  }
  any |= reader_.executed_by_peer() != executed();
  executed_.store(reader_.executed_by_peer(), std::memory_order_release);
  delivered_.store(reader_.last_sequence(), std::memory_order_release);
  counters_.received_bytes.store(reader_.read_bytes(), std::memory_order_relaxed);
  if (any) {
    CountRound();
  }
  AcknowledgeInPassing();
  return Status::Ok();
}

// What a thread in WaitUntil waits for may have come, whoever goes on reading.
void CommandChannel::CountRound() {
  rounds_.fetch_add(1);
  if (watchers_.load() != 0) {
    std::lock_guard<std::mutex> lock(reading_);
    watch_.notify_all();
  }
}

wire::WireError CommandChannel::Deliver(const wire::MessageView& message) {
  if (static_cast<wire::Op>(message.op) == wire::Op::kReply) {
    return DeliverReply(message);
  }
  return listener_.OnMessage(message);
}

wire::WireError CommandChannel::DeliverReply(const wire::MessageView& message) {
  wire::Reply reply;
  FARLANE_WIRE_TRY(Decode(message.body, &reply));
  std::lock_guard<std::mutex> lock(reading_);
  const auto found = std::find_if(expected_.begin(), expected_.end(), [&](const PendingCall* e) {
    return e->sequence_ == reply.sequence;
  });
  if (found == expected_.end() || (*found)->done_) {
    return wire::WireError::kBadReference;
  }
  (*found)->answer_.result = reply.result;
  (*found)->answer_.body.assign(reply.body.begin(), reply.body.end());
  (*found)->done_ = true;
  (*found)->changed_.notify_one();
  return wire::WireError::kNone;
}

void CommandChannel::RunListenerWork() {
  if (listener_.HasWork()) {
    listener_.OnReadingPaused();
  }
}

void CommandChannel::Expect(PendingCall* pending, wire::Sequence sequence) {
  std::lock_guard<std::mutex> lock(reading_);
  pending->sequence_ = sequence;
  pending->begun_ = true;
  expected_.push_back(pending);
}

Status CommandChannel::Await(PendingCall* pending) {
  std::unique_lock<std::mutex> lock(reading_);
  pending->awaited_ = true;
  counters_.round_trips.fetch_add(pending->done_ ? 0 : 1, std::memory_order_relaxed);
  while (!pending->done_ && why_lost_.ok()) {
    if (has_reader_) {
      // Woken by its answer, or to read on; by nothing else, however many wait.
      Count(&counters_.sleeps, 1);
      pending->changed_.wait(lock);
      continue;
    }
    has_reader_ = true;
    lock.unlock();
    Status status;
    // `done_` of this caller is set by this thread while it has the role, so it may be read without
    // the lock.
    while (status.ok() && !pending->done_ && !listener_.HasWork()) {
      status = ReadRound(true);
    }
    lock.lock();
    GiveRoleLocked();
    if (status.ok() && !listener_.HasWork()) {
      continue;
    }
    lock.unlock();
    if (!status.ok()) {
      Lose(status);
    }
    RunListenerWork();
    lock.lock();
  }
  expected_.erase(std::find(expected_.begin(), expected_.end(), pending));
  pending->begun_ = false;
  return pending->done_ ? Status::Ok() : why_lost_;
}

Status CommandChannel::WaitUntil(const std::function<bool()>& done, transport::Deadline until) {
  {
    std::unique_lock<LightLock> lock(writing_);
    FlushLocked(lock);
  }
  while (true) {
    const uint64_t seen = rounds_.load();
    if (done()) {
      return Status::Ok();
    }
    if (is_lost()) {
      return lost();
    }
    if (until != transport::kForever && NowNs() >= until) {
      return Status(StatusCode::kTimeout, "no answer in time");
    }
    if (!TakeRole()) {
      WaitForOthers(seen, until);
      continue;
    }
    // The work of the listener may be what the server waits for. The role is kept till then: to
    // offer it to whoever waits for an answer after each round would wake that thread for nothing.
    Status status;
    while (status.ok() && !done() && !listener_.HasWork() &&
           (until == transport::kForever || NowNs() < until)) {
      status = ReadRound(true, until);
    }
    GiveRole();
    if (!status.ok()) {
      Lose(status);
    }
    RunListenerWork();
  }
}

// Until another thread has read something, or nobody reads any more.
void CommandChannel::WaitForOthers(uint64_t seen, transport::Deadline until) {
  const auto changed = [&] { return !has_reader_ || rounds_.load() != seen || is_lost(); };
  std::unique_lock<std::mutex> lock(reading_);
  watchers_.fetch_add(1);
  if (until == transport::kForever) {
    watch_.wait(lock, changed);
    watchers_.fetch_sub(1);
    return;
  }
  const uint64_t now = NowNs();
  const uint64_t left = std::min(until > now ? until - now : 0, kWatchNs);
  // The system's clock, because waiting by the other one needs a newer C library than programs may
  // have; it may jump, hence the small steps.
  watch_.wait_until(lock, std::chrono::system_clock::now() + std::chrono::nanoseconds(left),
                    changed);
  watchers_.fetch_sub(1);
}

}  // namespace farlane::channel
