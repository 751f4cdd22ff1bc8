// SPDX-License-Identifier: Apache-2.0
// Slowdown is a forecast: how many seconds a program loses per second of useful GPU work if it is
// placed there, and why. 0 is as fast as alone on a local GPU. Terms are as they are in nature; the
// policy's weights come in only when they are added up.
#pragma once

#include <cstdint>
#include <string>

#include "pool-manager/placement/cluster_view.h"
#include "pool-manager/placement/link_estimate.h"
#include "pool-manager/placement/policy.h"
#include "pool-manager/placement/request.h"

namespace farlane::pool {

struct Slowdown {
  // What the program will feel.
  double network = 0;  // calls that wait, and data
  double compute = 0;  // others on the device
  double memory = 0;   // paging, where more is used than there is
  // What others will feel, or the pool.
  double opportunity = 0;    // near capacity that others would miss more
  double fragmentation = 0;  // change of the space that usual requests cannot use
  double health = 0;
  double affinity = 0;  // -1 … 1: what it needs lies there already, or friends are near
  double fill = 0;      // 0 … 1
  double speed = 0;     // of the device, against the reference
  double cost = 0;      // money per hour
  double energy = 0;    // kilowatts more
  double peers = 0;     // devices of one session that do not reach each other directly
  double hysteresis = 0;
  double rules = 0;  // what the pool's own rules add

  // What can be checked against what happens.
  double Forecast() const { return network + compute + memory; }

  double Score(const PlacementPolicy& policy) const;

  // "network 2.1 %, compute 0.3 %": the terms that are not nothing.
  std::string Text(const PlacementPolicy& policy) const;
};

// The part that is the same for all devices of a server.
void AddServerTerms(const ClusterView& cluster,
                    const ServerView& server,
                    const LinkEstimate& link,
                    const Request& request,
                    Slowdown* terms);
// The part of one device.
void AddDeviceTerms(const ClusterView& cluster,
                    const ServerView& server,
                    const DeviceView& device,
                    const Request& request,
                    const PlacementPolicy& policy,
                    Slowdown* terms);

// Seconds lost to the network per second of GPU work.
double NetworkLoss(const ServerView& server, const LinkEstimate& link, const Request& request);

// How much of a device usual requests could not use if it had so much left; of a whole device.
double Fragmentation(const Demand& demand, double share_left, uint64_t memory_left);

}  // namespace farlane::pool
