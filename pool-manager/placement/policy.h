// SPDX-License-Identifier: Apache-2.0
// A PlacementPolicy is what the terms of a forecast weigh. Each term is in seconds lost per second
// of useful GPU work, so a weight of 1 takes it as it is.
#pragma once

#include <string>
#include <vector>

#include "protocol/base/result.h"

namespace farlane::pool {

struct PlacementPolicy {
  std::string name = "balanced";

  double network = 1;
  double compute = 1;
  double memory = 1;
  double opportunity = 1;
  double fragmentation = 0.02;
  double health = 1;
  double affinity = 0.05;
  double fill = 0;    // above 0: prefer empty devices and servers; below: full ones
  double speed = 0;   // of the device, relative to the pool's reference
  double cost = 0;    // per unit of money and hour
  double energy = 0;  // per kilowatt more

  double memory_overcommit = 1;  // sum of the limits, of the device's memory
  double share_overcommit = 1;   // sum of what is guaranteed; 1: nothing is promised twice

  // How many GPUs are still looked at one by one; above, 256 servers are.
  size_t full_scan_devices_max = 16'000;

  // "balanced", "binpack", "spread", "latency", "compute", "cost" or "energy".
  static Result<PlacementPolicy> Named(const std::string& name);
  static const std::vector<std::string>& Names();
};

// What goes wrong with these numbers; Ok if they can be used.
Status CheckPolicy(const PlacementPolicy& policy);

}  // namespace farlane::pool
