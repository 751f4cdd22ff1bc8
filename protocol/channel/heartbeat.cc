// SPDX-License-Identifier: Apache-2.0
// The part of CommandChannel that sees to it that both sides know of each other, when nothing else
// tells them.
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/channel/command_channel.h"

namespace farlane::channel {

void CommandChannel::Beat() {
  const uint64_t now = NowNs();
  uint64_t due = beat_ns_.load(std::memory_order_relaxed);
  if (now < due || is_lost() || !beat_ns_.compare_exchange_strong(due, now + kPulseNs)) {
    return;
  }
  const uint64_t sent = counters_.sent_bytes.load(std::memory_order_relaxed);
  const uint64_t heard = counters_.received_bytes.load(std::memory_order_relaxed);
  bool must_speak = false;
  const Pulse::Finding finding = pulse_.With([&](Pulse& pulse) {
    must_speak = pulse.MustSpeak(sent);
    return pulse.Look(heard);
  });
  if (finding == Pulse::Finding::kLost) {
    Lose(Status(StatusCode::kUnavailable,
                "it has been silent for " + std::to_string(grace_) + " seconds"));
    return;
  }
  if (finding == Pulse::Finding::kSuspected) {
    LogWarn("the GPU server has been silent for %u seconds; it is given up after %u",
            kSuspectedLooks, grace_);
  } else if (finding == Pulse::Finding::kBack) {
    LogWarn("the GPU server is back");
  }
  if (must_speak || !has_beaten_) {
    SendHeartbeat();
  }
}

// The mutex is the channel's, not Guarded as its header says. Whoever holds it is saying something
// already.
void CommandChannel::SendHeartbeat() {
  // The first one is not left out, or a client that is stopped at once would never be missed.
  std::unique_lock<LightLock> lock(writing_, std::defer_lock);
  if (!has_beaten_) {
    lock.lock();
  } else if (!lock.try_lock() || writer_.unsent_bytes() != 0) {
    return;
  }
  if (is_lost() || closing_.load(std::memory_order_acquire)) {
    return;
  }
  writer_.Acknowledge(delivered_.load(std::memory_order_acquire));
  if (!has_beaten_) {
    writer_.AppendHeartbeat();  // may acknowledge something; the second one cannot
    has_beaten_ = true;
  }
  writer_.AppendHeartbeat();
  const Result<bool> done = WriteSome();
  if (done.ok() && !*done) {
    unsent_since_ns_.store(NowNs(), std::memory_order_release);
    static_cast<void>(WakeTender());
  }
  const uint64_t sent = counters_.sent_bytes.load(std::memory_order_relaxed);
  pulse_.With([sent](Pulse& pulse) { pulse.NoteSpoken(sent); });
}

}  // namespace farlane::channel
