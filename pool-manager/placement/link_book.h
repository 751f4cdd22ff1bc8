// SPDX-License-Identifier: Apache-2.0
// LinkBook remembers what sessions and probes have shown of the ways between places, so that the
// next client of the same place need not measure. A way is named by its two ends, however fine: a
// client and a server, or two zones.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "pool-manager/placement/link_estimate.h"

namespace farlane::pool {

// Thread: caller's. Time is the caller's, too: seconds that only grow.
class LinkBook {
 public:
  struct Seen {
    double rtt_s = 0;
    double bytes_per_s = 0;  // 0: not seen
    Evidence evidence = Evidence::kPassive;
  };

  void Note(const std::string& way, const Seen& seen, double now_s);
  // kNone if nobody has been that way, or not for an hour.
  LinkEstimate Find(const std::string& way, double now_s) const;
  // Drops what is too old to be told; call it now and then.
  void Forget(double now_s);

  size_t ways_count() const { return ways_.size(); }

 private:
  struct Way {
    double rtt_s = 0;
    double bytes_per_s = 0;
    double variance = 0;  // of the round trip, relative
    double weight = 0;    // samples, the old ones fading
    double seen_s = 0;
    Evidence evidence = Evidence::kNone;
  };

  std::unordered_map<std::string, Way> ways_;
};

}  // namespace farlane::pool
