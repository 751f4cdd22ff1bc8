// SPDX-License-Identifier: Apache-2.0
// ChooseAcross finds devices for one session on several servers: of one rack if there are enough,
// of one zone if not, else anywhere; all of them, or none.
#pragma once

#include <optional>

#include "pool-manager/placement/decision.h"
#include "pool-manager/placement/server_scan.h"

namespace farlane::pool {

std::optional<Candidate> ChooseAcross(const ClusterView& cluster,
                                      const Request& request,
                                      const PlacementPolicy& policy,
                                      ServerScan& scan);

}  // namespace farlane::pool
