// SPDX-License-Identifier: Apache-2.0
// WhyNever tells a request that cannot be met now from one that can never be: not even if all
// others were gone and every server that the pool knows were ready. Only a new server would help.
#pragma once

#include <optional>
#include <string>

#include "pool-manager/placement/cluster_view.h"
#include "pool-manager/placement/policy.h"
#include "pool-manager/placement/request.h"

namespace farlane::pool {

// A sentence with what is asked for and the most that there is; nothing: some server could take it
// one day, or the pool knows no server at all. What people and time may change is no reason:
// taints, health, distance, company, what is promised.
std::optional<std::string> WhyNever(const ClusterView& cluster,
                                    const Request& request,
                                    const PlacementPolicy& policy);

}  // namespace farlane::pool
