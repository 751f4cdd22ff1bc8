// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/distance_table.h"

#include <utility>

namespace farlane::pool {
namespace {

struct Guess {
  double rtt_s;
  double bytes_per_s;
};

// A loopback, one switch, a few, a metropolitan line, a continent.
constexpr Guess kSameHost{10e-6, 5e9};
constexpr Guess kSameRack{30e-6, 3e9};
constexpr Guess kSameZone{150e-6, 1.2e9};
constexpr Guess kSameRegion{1e-3, 1.2e9};
constexpr Guess kElsewhere{30e-3, 0.12e9};
constexpr double kGuessError = 1.0;  // it may well be twice as much
constexpr double kSetError = 0.2;    // somebody has looked

Guess GuessBetween(const Place& one, const Place& other) {
  if (one.region != other.region) {
    return kElsewhere;
  }
  if (one.zone != other.zone) {
    return kSameRegion;
  }
  if (!one.host.empty() && one.host == other.host) {
    return kSameHost;
  }
  return !one.rack.empty() && one.rack == other.rack ? kSameRack : kSameZone;
}

std::string PairName(const std::string& one, const std::string& other) {
  return one < other ? one + "\n" + other : other + "\n" + one;
}

}  // namespace

std::string ZoneName(const Place& place) {
  return place.region + "/" + place.zone;
}

void DistanceTable::Set(const std::string& one_zone,
                        const std::string& other_zone,
                        double rtt_s,
                        double bytes_per_s) {
  set_[PairName(one_zone, other_zone)] = {.rtt_s = rtt_s, .bytes_per_s = bytes_per_s};
}

LinkEstimate DistanceTable::Between(const Place& one, const Place& other) const {
  const Guess guess = GuessBetween(one, other);
  const auto found = set_.find(PairName(ZoneName(one), ZoneName(other)));
  // What was set for a zone with itself does not hold inside one rack or one machine.
  const bool nearer = guess.rtt_s < kSameZone.rtt_s;
  if (found == set_.end() || nearer) {
    return {.rtt_s = guess.rtt_s,
            .bytes_per_s = guess.bytes_per_s,
            .error = kGuessError,
            .evidence = Evidence::kLabels};
  }
  return {.rtt_s = found->second.rtt_s,
          .bytes_per_s = found->second.bytes_per_s,
          .error = kSetError,
          .evidence = Evidence::kLabels};
}

}  // namespace farlane::pool
