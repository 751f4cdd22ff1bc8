// SPDX-License-Identifier: Apache-2.0
// DistanceTable guesses the way between two places from their names, for as long as nobody has
// measured it. An operator may say better for a pair of zones.
#pragma once

#include <string>
#include <unordered_map>

#include "pool-manager/placement/link_estimate.h"
#include "pool-manager/placement/server_view.h"

namespace farlane::pool {

// Thread: caller's; only read once it is set.
class DistanceTable {
 public:
  // Both ways. A zone is named "region/zone".
  void Set(const std::string& one_zone,
           const std::string& other_zone,
           double rtt_s,
           double bytes_per_s);

  LinkEstimate Between(const Place& one, const Place& other) const;

 private:
  struct Way {
    double rtt_s = 0;
    double bytes_per_s = 0;
  };

  std::unordered_map<std::string, Way> set_;
};

std::string ZoneName(const Place& place);

}  // namespace farlane::pool
