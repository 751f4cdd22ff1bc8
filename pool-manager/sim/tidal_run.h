// SPDX-License-Identifier: Apache-2.0
// TidalRun plays two days of a pool whose users come by day and whose training fills what they
// leave: inference with a share of its own, training with a small one and all that is free beside
// it, and sessions that somebody has forgotten. The second day is told.
#pragma once

#include <cstdint>

#include "pool-manager/placement/idle_rule.h"
#include "pool-manager/placement/policy.h"

namespace farlane::pool::sim {

struct TidalOptions {
  uint32_t servers = 8;
  uint32_t devices_per_server = 8;
  uint64_t seed = 1;
  double inference_mean = 0.35;  // of the pool, over the day
  double inference_swing = 0.7;  // of that: the night is so much less, the afternoon so much more
  double training = 0.55;        // of the pool: work that comes in, at any hour
  double forgotten = 0.05;       // of the inference sessions fall idle and never end
  bool training_fills = true;    // if not, training holds a share like everybody: for comparison
  IdleRule idle{};
};

struct TidalResult {
  double utilisation = 0;  // GPU time worked, of what there was
  double wait_p95_s = 0;   // from asking to having, of all sessions
  double wait_max_s = 0;
  double reclaim_mean_s = 0;  // from falling idle to given back
  double reclaim_max_s = 0;
  uint32_t sessions = 0;
  uint32_t reclaimed = 0;
  uint32_t suspended = 0;  // training that had to make room
  uint32_t waiting = 0;    // at the end of the day
};

TidalResult RunTidal(const TidalOptions& options, const PlacementPolicy& policy);

}  // namespace farlane::pool::sim
