// SPDX-License-Identifier: Apache-2.0
// Backoff says how long to wait before the next try: each time a little longer, up to a bound, and
// never as long as others who were refused at the same moment.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>

namespace farlane::pool {

// Thread: caller's.
class Backoff {
 public:
  static constexpr uint64_t kFirstMs = 50;
  static constexpr uint64_t kLastMs = 200;

  Backoff() : random_(std::random_device{}()) {}

  explicit Backoff(uint32_t seed) : random_(seed) {}

  // From half of the step to all of it.
  uint64_t NextMs() {
    const uint64_t step = step_ms_;
    step_ms_ = std::min(kLastMs, 2 * step_ms_);
    return step / 2 + random_() % (step / 2 + 1);
  }

  void Reset() { step_ms_ = kFirstMs; }

 private:
  std::minstd_rand random_;
  uint64_t step_ms_ = kFirstMs;
};

}  // namespace farlane::pool
