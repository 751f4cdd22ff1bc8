// SPDX-License-Identifier: Apache-2.0
// World is the simulated truth: where servers and clients stand, how long the ways are, and what
// sessions on one device really do to each other. Its arithmetic is not that of placement, or the
// comparison would only show that placement agrees with itself.
#pragma once

#include <cstdint>
#include <vector>

#include "pool-manager/placement/cluster_view.h"
#include "pool-manager/sim/chance.h"
#include "pool-manager/sim/job.h"

namespace farlane::pool::sim {

struct WorldOptions {
  uint32_t servers = 200;
  uint32_t devices_per_server = 8;
  uint32_t zones = 10;
  uint32_t racks = 10;        // of a zone
  double crowded_part = 0.7;  // of the servers stand in the first half of the zones
  double memory_gib = 80;
  double rtt_noise = 0.3;  // of one measurement
  uint64_t seed = 1;
};

// Thread: caller's.
class World {
 public:
  explicit World(const WorldOptions& options);

  const WorldOptions& options() const { return options_; }

  // The pool as it registers itself: nothing is promised yet.
  ClusterView MakeCluster() const;

  double TrueRtt(const Job& job, uint32_t server) const;
  double TrueBandwidth(const Job& job, uint32_t server) const;
  bool SameRack(const Job& job, uint32_t server) const;

  uint32_t ZoneOf(uint32_t server) const { return sites_[server].zone; }

  // Between two zones, or inside one.
  double ZoneRtt(uint32_t one, uint32_t other) const;

  // Lost to others on the device, per second of own work: the device divides its time among those
  // who want it, and loses some of it by going from one to the next.
  static double TrueContention(double own_busy, double others_busy, uint32_t others);

 private:
  struct Site {
    uint32_t zone = 0;
    uint32_t rack = 0;
  };

  struct Point {
    double x = 0;
    double y = 0;
  };

  WorldOptions options_;
  std::vector<Site> sites_;
  std::vector<Point> zones_;
};

Place PlaceOf(uint32_t zone, uint32_t rack);

}  // namespace farlane::pool::sim
