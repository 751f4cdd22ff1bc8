// SPDX-License-Identifier: Apache-2.0
// Results of simulations as text for people and as JSON for programs.
#pragma once

#include <string>
#include <vector>

#include "pool-manager/sim/mix_run.h"
#include "pool-manager/sim/tidal_run.h"

namespace farlane::pool::sim {

std::string MixText(const std::vector<MixResult>& results);
std::string MixJson(const std::vector<MixResult>& results, uint64_t seed);
std::string TidalText(const TidalResult& result);
std::string TidalJson(const TidalResult& result, uint64_t seed);

}  // namespace farlane::pool::sim
