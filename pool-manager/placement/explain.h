// SPDX-License-Identifier: Apache-2.0
// Explain says of each server what became of it in a decision: taken, so many per cent worse, or
// kept out, and why. It looks at all of them, so it takes longer than deciding.
#pragma once

#include <string>
#include <vector>

#include "pool-manager/placement/decide.h"

namespace farlane::pool {

struct ServerVerdict {
  uint32_t server = 0;
  Reason reason = Reason::kFits;
  double score = 0;  // if it fits
  Slowdown terms{};
  bool chosen = false;
};

struct Explanation {
  Decision decision{};
  std::vector<ServerVerdict> servers{};  // those that fit first, the best before the others
};

Explanation Explain(const ClusterView& cluster,
                    const NetworkView& network,
                    const Request& request,
                    const PlacementPolicy& policy,
                    const PlacementRules* rules = nullptr);

// The decision in a few lines for people.
std::string DecisionText(const ClusterView& cluster,
                         const Request& request,
                         const PlacementPolicy& policy,
                         const Decision& decision);
// ... and a line for each of at most `lines_max` servers.
std::string ExplanationText(const ClusterView& cluster,
                            const Request& request,
                            const PlacementPolicy& policy,
                            const Explanation& explanation,
                            size_t lines_max = 20);

// What would become of these requests, one after the other, if nothing else happened. The view that
// it is given stays as it is.
std::vector<Decision> DryRun(ClusterView cluster,
                             const NetworkView& network,
                             const std::vector<Request>& requests,
                             const PlacementPolicy& policy,
                             const PlacementRules* rules = nullptr);

}  // namespace farlane::pool
