// SPDX-License-Identifier: Apache-2.0
// How a CommandChannel ends: closed by its owner, left behind by a fork, or lost. Its locks are not
// Guarded, see command_channel.h.
#include <ctime>

#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/channel/command_channel.h"

namespace farlane::channel {
namespace {

constexpr uint64_t kGoodbyeNs =
    200'000'000;  // a process that ends does not wait longer for a full socket

constexpr uint64_t kLastWordNs =
    100'000'000;  // what a server that has ended said last is there already

constexpr timespec kLockPause{.tv_sec = 0, .tv_nsec = 100'000};  // between two looks at a lock

// The thread that ends the process may be one that holds the lock already: exit() from a signal
// handler that has interrupted a call. False when the lock is not to be had in time.
template <typename Lock>
bool LockBefore(uint64_t deadline, std::unique_lock<Lock>* lock) {
  while (!lock->try_lock()) {
    if (NowNs() >= deadline) {
      return false;
    }
    nanosleep(&kLockPause, nullptr);
  }
  return true;
}

}  // namespace

void CommandChannel::Close() {
  const uint64_t deadline = NowNs() + kGoodbyeNs;
  closing_.store(true, std::memory_order_release);
  if (StopTending(deadline)) {
    SayGoodbye(deadline);
  }
  const Status why(StatusCode::kUnavailable, "the session was closed");
  std::unique_lock<std::mutex> lock(reading_, std::defer_lock);
  if (LockBefore(deadline, &lock)) {
    LoseLocked(why);
    return;
  }
  is_lost_.store(true, std::memory_order_release);
  stream_->Shutdown();
}

void CommandChannel::SayGoodbye(uint64_t deadline) {
  std::unique_lock<LightLock> lock(writing_, std::defer_lock);
  if (!LockBefore(deadline, &lock) || is_lost()) {
    return;
  }
  writer_.Acknowledge(delivered_.load(std::memory_order_acquire));
  writer_.AppendBye();
  offered_.store(writer_.last_sequence(), std::memory_order_release);
  while (NowNs() < deadline) {
    const Result<bool> flushed = writer_.Flush();
    if (!flushed.ok() || *flushed || !stream_->Wait(transport::Interest::kWrite, deadline).ok()) {
      break;
    }
  }
}

void CommandChannel::AbandonAfterFork() {
  // The connection is the parent's as well, so the stream must not be shut down; it is leaked on
  // purpose, as are the thread object and the locks, whose owners do not exist in this process. The
  // descriptor is closed: a child that outlives its parent would hide the parent's end from the
  // server.
  is_lost_.store(true, std::memory_order_release);
  const int socket = stream_->LifeFd();
  (void)stream_.release();
  if (socket >= 0) {
    close(socket);
  }
  if (tender_.joinable()) {
    tender_.detach();
  }
}

// False when the thread that calls this may be inside of what it would have to wait for.
bool CommandChannel::StopTending(uint64_t deadline) {
  std::thread tender;
  {
    std::unique_lock<LightLock> lock(writing_, std::defer_lock);
    if (!LockBefore(deadline, &lock)) {
      return false;
    }
    NudgeTender();
    tender.swap(tender_);
  }
  if (!tender.joinable()) {
    return true;
  }
  while (!tending_over_.load(std::memory_order_acquire)) {
    if (NowNs() >= deadline) {
      tender.detach();
      return false;
    }
    nanosleep(&kLockPause, nullptr);
  }
  tender.join();
  return true;
}

Status CommandChannel::lost() const {
  std::lock_guard<std::mutex> lock(reading_);
  return why_lost_.ok() && is_lost()
             ? Status(StatusCode::kUnavailable, "the session was closed in the middle of a call")
             : why_lost_;
}

void CommandChannel::Lose(const Status& why) {
  std::lock_guard<std::mutex> lock(reading_);
  LoseLocked(why);
}

// The server takes nothing more; why may lie there unread.
void CommandChannel::HearTheLast(const Status& why) {
  const uint64_t until = NowNs() + kLastWordNs;
  while (!is_lost() && NowNs() < until) {
    if (!TakeRole()) {
      WaitForOthers(rounds_.load(), until);  // who reads finds the end
      continue;
    }
    const Status status = ReadRound(true, until);
    GiveRole();
    if (!status.ok()) {
      Lose(status);
    }
  }
  Lose(why);
}

void CommandChannel::LoseLocked(const Status& why) {
  if (!why_lost_.ok()) {
    return;
  }
  why_lost_ = why;
  is_lost_.store(true, std::memory_order_release);
  for (PendingCall* waiting : expected_) {
    waiting->changed_.notify_one();
  }
  watch_.notify_all();
  stream_->Shutdown();
}

}  // namespace farlane::channel
