// SPDX-License-Identifier: Apache-2.0
// TieBreak chooses among servers that are about equally good: by a hash of tenant, program and
// server, so that a program comes back to where its code lies already; but not to one that has much
// more to do than the others.
#pragma once

#include <cstddef>
#include <span>

#include "pool-manager/placement/cluster_view.h"
#include "pool-manager/placement/request.h"
#include "pool-manager/placement/server_scan.h"

namespace farlane::pool {

// How far from the best score one may be and still be as good.
double TieMargin(double best_score);

// The index, in `tied`, of the one to take. There must be one.
size_t BreakTie(const ClusterView& cluster,
                const Request& request,
                std::span<const ScoredServer> tied);

}  // namespace farlane::pool
