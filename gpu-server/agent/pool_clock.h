// SPDX-License-Identifier: Apache-2.0
// PoolClock tells the pool's time at a server: what the manager has said last, and what has passed
// since then. Whoever sets this machine's clock, or has never set it, does not change which tokens
// are good.
#pragma once

#include <cstdint>

namespace farlane::agent {

// Thread: caller's. `now_ns` is of a clock that only goes forward.
class PoolClock {
 public:
  // Milliseconds since 1970, as the manager counts them; what cannot be is passed over.
  void Hear(int64_t pool_ms, uint64_t now_ns) {
    if (pool_ms > 0) {
      pool_ms_ = static_cast<uint64_t>(pool_ms);
      heard_ns_ = now_ns;
    }
  }

  // Until it has heard anything: 0, at which no token is good yet.
  uint64_t Seconds(uint64_t now_ns) const {
    return pool_ms_ == 0 ? 0 : (pool_ms_ + (now_ns - heard_ns_) / 1'000'000) / 1000;
  }

 private:
  uint64_t pool_ms_ = 0;
  uint64_t heard_ns_ = 0;
};

}  // namespace farlane::agent
