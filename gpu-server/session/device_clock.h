// SPDX-License-Identifier: Apache-2.0
// DeviceClock tells what a device's clock showed at a time of ours. A driver tells no such thing,
// only the times of its events; but an event is never passed before it was recorded. So each one
// says how far apart the two clocks are at most, and the one that was least late counts.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

namespace farlane::server {

// Thread: any one. Times are in nanoseconds, each clock's from a start of its own.
class DeviceClock {
 public:
  // The clocks of good hardware part by less than 20 µs in a second: so much of what was learnt is
  // in doubt when it is older.
  static constexpr int64_t kDriftParts = 50'000;

  // An event that was recorded after `our_ns` was passed at `device_ns`.
  void Learn(uint64_t our_ns, int64_t device_ns) {
    const int64_t apart_ns = device_ns - static_cast<int64_t>(our_ns);
    if (!apart_ns_.has_value() || apart_ns <= *apart_ns_ + DoubtNs(our_ns)) {
      apart_ns_ = apart_ns;
      learnt_ns_ = our_ns;
    }
  }

  // What the device's clock showed then; when in doubt, earlier. Nothing: nothing was learnt yet.
  std::optional<int64_t> At(uint64_t our_ns) const {
    if (!apart_ns_.has_value()) {
      return std::nullopt;
    }
    return static_cast<int64_t>(our_ns) + *apart_ns_ - DoubtNs(our_ns);
  }

  // The device's times count from this one of them from now on.
  void Rebase(int64_t device_ns) {
    if (apart_ns_.has_value()) {
      *apart_ns_ -= device_ns;
    }
  }

  // The next events are another device's, or count from anywhere.
  void Forget() { apart_ns_.reset(); }

 private:
  int64_t DoubtNs(uint64_t our_ns) const {
    const uint64_t age_ns = std::max(our_ns, learnt_ns_) - std::min(our_ns, learnt_ns_);
    return static_cast<int64_t>(age_ns) / kDriftParts;
  }

  std::optional<int64_t> apart_ns_;  // by which the device's clock is ahead, at most
  uint64_t learnt_ns_ = 0;
};

}  // namespace farlane::server
