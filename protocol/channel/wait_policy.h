// SPDX-License-Identifier: Apache-2.0
// The one rule for waiting on a stream: look for a short while, then sleep. Looking costs a core,
// so it happens only where there is one to spare and where it has paid lately.
#pragma once

#include <cstdint>

#include "protocol/transport/stream.h"

namespace farlane::channel {

// Thread: caller's; the record of what paid is per instance.
class WaitPolicy {
 public:
  // spin_ns 0: sleep at once. The default comes from how many cores this process may use.
  explicit WaitPolicy(uint64_t spin_ns) : spin_ns_(spin_ns) {}

  static WaitPolicy Default();

  // Calls `ready` again and again until it says true or the time for looking is over; false then.
  template <typename Ready>
  bool Spin(Ready&& ready) {
    return Spin(ready, UINT64_MAX, [] {});
  }

  // As above. Calls `quiet` once, when nothing has come for so long, if that is still looked for.
  template <typename Ready, typename Quiet>
  bool Spin(Ready&& ready, uint64_t quiet_ns, Quiet&& quiet) {
    if (spin_ns_ == 0 || (misses_ >= kMissesMax && ++skipped_ % kRetryEvery != 0)) {
      return false;
    }
    const uint64_t start = Now();
    uint64_t looked_ns = 0;
    uint32_t looks = 0;
    bool said = false;
    do {
      if (ready()) {
        misses_ = 0;
        return true;
      }
      if (!said && looked_ns >= quiet_ns) {
        said = true;
        quiet();
      }
      Pause();
      // To look at the clock takes as long as to look at shared memory several times.
      if (++looks % kLooksEach == 0) {
        looked_ns = Now() - start;
      }
    } while (looked_ns < spin_ns_);
    ++misses_;
    return false;
  }

 private:
  static constexpr uint32_t kLooksEach = 4;  // between two looks at the clock
  static constexpr uint32_t kMissesMax =
      4;  // so many waits in a row outlasted the looking: stop looking
  static constexpr uint32_t kRetryEvery =
      16;  // but try again now and then, the peer may be quick again

  static uint64_t Now();
  static void Pause();

  uint64_t spin_ns_;
  uint32_t misses_ = 0;
  uint32_t skipped_ = 0;
};

}  // namespace farlane::channel
