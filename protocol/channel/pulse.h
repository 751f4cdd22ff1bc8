// SPDX-License-Identifier: Apache-2.0
// Pulse judges whether the peer still lives, from nothing but how many bytes came and went: a side
// that has nothing to say says so once a second, so silence means that the peer has been stopped or
// cut off.
//
// Time is counted in looks that this side has made, not by the clock: a process that was stopped
// itself, and goes on, must not take its peer for gone.
#pragma once

#include <algorithm>
#include <cstdint>

namespace farlane::channel {

// Between two looks.
inline constexpr uint64_t kPulseNs = 1'000'000'000;
// After so many looks without a sign it is said that something is wrong.
inline constexpr uint32_t kSuspectedLooks = 5;
// After so many, unless somebody has set another number, the peer is given up.
inline constexpr uint32_t kGraceLooks = 60;

// Thread: caller's.
class Pulse {
 public:
  // grace 0: nobody is ever given up.
  explicit Pulse(uint32_t grace_looks) : grace_(grace_looks) {}

  enum class Finding : uint8_t {
    kAlive,
    kSuspected,  // from now on; said once
    kBack,       // it was suspected before; said once
    kLost,       // it has been silent for the whole grace
  };

  // Whether nothing has been sent since the last look, so that a sign of life is due.
  bool MustSpeak(uint64_t sent) {
    const bool silent = sent == sent_;
    sent_ = sent;
    return silent;
  }

  // What was sent as a sign of life is no news for the next look.
  void NoteSpoken(uint64_t sent) { sent_ = sent; }

  // Counts one look; `heard` has changed if the peer has given a sign since the last one.
  Finding Look(uint64_t heard) {
    if (heard != heard_) {
      const bool was_suspected = silent_ >= Suspected();
      heard_ = heard;
      silent_ = 0;
      return was_suspected && grace_ != 0 ? Finding::kBack : Finding::kAlive;
    }
    ++silent_;
    if (grace_ == 0 || silent_ < Suspected()) {
      return Finding::kAlive;
    }
    if (silent_ >= grace_) {
      return Finding::kLost;
    }
    return silent_ == Suspected() ? Finding::kSuspected : Finding::kAlive;
  }

 private:
  uint32_t Suspected() const { return std::min(kSuspectedLooks, grace_); }

  const uint32_t grace_;
  uint64_t sent_ = 0;
  uint64_t heard_ = 0;
  uint32_t silent_ = 0;
};

}  // namespace farlane::channel
