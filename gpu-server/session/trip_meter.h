// SPDX-License-Identifier: Apache-2.0
// TripMeter counts how often a client has waited for the network, and measures how long a round
// trip takes, from nothing but what passes anyway: an answer leaves, and later the client says
// that it has taken it. An answer behind another that is not taken yet costs no trip of its own.
//
// What is measured holds the client's own thinking as well, so of many trips the shortest counts.
// It goes by messages and not by packets: a proxy in between, which the system's own figures do not
// look through, is seen.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <type_traits>

#include "protocol/base/clock.h"
#include "protocol/wire/messages.h"

namespace farlane::server {

// Thread: NoteAnswer: one at a time (under the outbox's lock); NoteTaken and the rest: the dispatch
// thread.
class TripMeter {
 public:
  // After so many trips the shortest is looked for anew: ways change.
  static constexpr uint32_t kWindowTrips = 64;

  // Something left that the client may wait for.
  void NoteAnswer(wire::Sequence number) {
    if (number != 0 && awaited_.load(std::memory_order_acquire) == 0) {
      since_ns_ = NowNs();
      awaited_.store(number, std::memory_order_release);
    }
  }

  // The client has taken this side's messages up to here. True: that was a trip.
  bool NoteTaken(wire::Sequence taken) {
    const wire::Sequence number = awaited_.load(std::memory_order_acquire);
    if (number == 0 || taken < number) {
      return false;
    }
    const uint64_t took_ns = std::max<uint64_t>(NowNs() - since_ns_, 1);
    awaited_.store(0, std::memory_order_release);
    ++trips_;
    least_ns_ = std::min(least_ns_, took_ns);
    if (++in_window_ == kWindowTrips) {
      known_ns_ = least_ns_;
      least_ns_ = UINT64_MAX;
      in_window_ = 0;
    }
    return true;
  }

  uint64_t trips() const { return trips_; }

  // The shortest of some, in this window and the one before; 0: there was none yet.
  uint64_t rtt_ns() const {
    const uint64_t least = std::min(least_ns_, known_ns_);
    return least == UINT64_MAX ? 0 : least;
  }

 private:
  std::atomic<wire::Sequence> awaited_{0};  // its answer is on its way; 0: none is
  uint64_t since_ns_ = 0;                   // written before it, read behind it
  uint64_t trips_ = 0;
  uint64_t least_ns_ = UINT64_MAX;
  uint64_t known_ns_ = UINT64_MAX;
  uint32_t in_window_ = 0;
};

// Whether a client may be waiting for a message of this kind.
template <typename Message>
inline constexpr bool kMayBeAwaited =
    std::is_same_v<Message, wire::Reply> || std::is_same_v<Message, wire::Reached> ||
    std::is_same_v<Message, wire::CopyOutData>;

}  // namespace farlane::server
