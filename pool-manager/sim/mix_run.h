// SPDX-License-Identifier: Apache-2.0
// MixRun plays a list of jobs on a simulated pool under one rule of placement, in virtual time, and
// tells what the jobs have lost.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "pool-manager/sim/chooser.h"
#include "pool-manager/sim/job.h"
#include "pool-manager/sim/world.h"

namespace farlane::pool::sim {

struct MixResult {
  std::string rule{};
  uint32_t jobs = 0;     // counted: after the pool has filled
  uint32_t refused = 0;  // nobody had room; these are not queued here
  double mean = 0;       // slowdown: 0.1 is 10 % slower than alone on a local GPU
  double p95 = 0;
  std::array<double, 3> mean_of_class{};  // by AppClass
  double away = 0;                        // part that went to another zone
  double occupancy = 0;                   // mean share promised, of the pool
  double forecast_error = 0;              // median, relative, of programs known for 20 sessions
  uint32_t forecasts = 0;
  double new_app_error = 0;  // ... of programs seen for the first time
};

MixResult RunMix(const World& world,
                 const std::vector<Job>& jobs,
                 Rule rule,
                 const PlacementPolicy& policy);

}  // namespace farlane::pool::sim
