// SPDX-License-Identifier: Apache-2.0
// Decide says where a request goes. It is a function of what it is shown and of nothing else: no
// clock, no chance, no state; the same view gives the same decision, here and on a standby.
//
// Three steps: servers that are not to be had or too far away are left out; then those without what
// is asked for; the others are put in order by the slowdown that is forecast there.
#pragma once

#include "pool-manager/placement/cluster_view.h"
#include "pool-manager/placement/decision.h"
#include "pool-manager/placement/network_view.h"
#include "pool-manager/placement/placement_rules.h"
#include "pool-manager/placement/policy.h"
#include "pool-manager/placement/request.h"

namespace farlane::pool {

Decision Decide(const ClusterView& cluster,
                const NetworkView& network,
                const Request& request,
                const PlacementPolicy& policy,
                const PlacementRules* rules = nullptr);

// What is wrong with a request, whoever it comes from; Ok if it can be meant.
Status CheckRequest(const Request& request);

// Lets the pool remember that somebody has asked, for what is asked after. Once per request.
void NoteDemand(ClusterView& cluster, const NetworkView& network, const Request& request);

}  // namespace farlane::pool
