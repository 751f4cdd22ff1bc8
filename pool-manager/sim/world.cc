// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/sim/world.h"

#include <algorithm>
#include <cmath>

#include "protocol/base/check.h"

namespace farlane::pool::sim {
namespace {

constexpr double kRackRttS = 15e-6;
constexpr double kZoneRttS = 80e-6;
constexpr double kLeaveZoneS = 500e-6;
constexpr double kPerDistanceS = 2e-3;
constexpr double kPlaneSide = 10;
constexpr double kZoneBytesPerS = 10e9;
constexpr double kFarBytesPerS = 1.2e9;
constexpr double kGiB = 1024.0 * 1024 * 1024;
constexpr double kSwitchLoss = 0.04;  // of the device's time, for each who shares it
constexpr double kCacheLoss = 0.10;   // what others leave in caches, even where there is room

}  // namespace

Place PlaceOf(uint32_t zone, uint32_t rack) {
  Place place;
  place.region = "sim";
  place.zone = std::to_string(zone);
  place.rack = std::to_string(rack);
  return place;
}

World::World(const WorldOptions& options) : options_(options) {
  Chance chance(options.seed);
  const uint32_t half = std::max<uint32_t>(options.zones / 2, 1);
  for (uint32_t i = 0; i < options.zones; ++i) {
    const double x = chance.Uniform() * kPlaneSide;
    zones_.push_back({.x = x, .y = chance.Uniform() * kPlaneSide});
  }
  for (uint32_t i = 0; i < options.servers; ++i) {
    const bool crowded = options.zones == 1 || chance.Uniform() < options.crowded_part;
    const uint32_t zone = crowded ? chance.Below(half) : half + chance.Below(options.zones - half);
    sites_.push_back(
        {.zone = std::min(zone, options.zones - 1), .rack = chance.Below(options.racks)});
  }
}

ClusterView World::MakeCluster() const {
  ClusterView cluster;
  for (uint32_t i = 0; i < sites_.size(); ++i) {
    ServerFacts facts;
    facts.id = "server-" + std::to_string(i);
    facts.place = PlaceOf(sites_[i].zone, sites_[i].rack);
    std::vector<NewDevice> devices(options_.devices_per_server);
    for (uint32_t k = 0; k < devices.size(); ++k) {
      devices[k].id = facts.id + "-" + std::to_string(k);
      devices[k].model = "sim";
      devices[k].facts.memory_bytes = static_cast<uint64_t>(options_.memory_gib * kGiB);
    }
    FARLANE_CHECK(cluster.SetServer(std::move(facts), devices).ok());
  }
  return cluster;
}

bool World::SameRack(const Job& job, uint32_t server) const {
  return sites_[server].zone == job.zone && sites_[server].rack == job.rack;
}

double World::ZoneRtt(uint32_t one, uint32_t other) const {
  if (one == other) {
    return kZoneRttS;
  }
  const Point& a = zones_[one % zones_.size()];
  const Point& b = zones_[other % zones_.size()];
  return kLeaveZoneS + kPerDistanceS * std::hypot(a.x - b.x, a.y - b.y);
}

double World::TrueRtt(const Job& job, uint32_t server) const {
  return SameRack(job, server) ? kRackRttS : ZoneRtt(job.zone, sites_[server].zone);
}

double World::TrueBandwidth(const Job& job, uint32_t server) const {
  return sites_[server].zone == job.zone ? kZoneBytesPerS : kFarBytesPerS;
}

double World::TrueContention(double own_busy, double others_busy, uint32_t others) {
  if (others == 0) {
    return 0;
  }
  const double loss = std::min(0.5, kSwitchLoss * others);
  const double wanted = own_busy + others_busy;
  const double there_is = 1 - loss * std::min(1.0, others_busy);
  const double stretch = std::max(1.0, wanted / there_is);
  return stretch - 1 + kCacheLoss * std::min(1.0, others_busy);
}

}  // namespace farlane::pool::sim
