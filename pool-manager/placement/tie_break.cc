// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/tie_break.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "pool-manager/placement/name_hash.h"

namespace farlane::pool {
namespace {

constexpr double kMarginLeast = 0.01;
constexpr double kMarginRatio = 0.05;
constexpr double kLoadMost = 1.25;  // of the mean

double Load(const ServerView& server, double added) {
  return (static_cast<double>(server.promised_share) + added) / kWholeShare /
         std::max<uint32_t>(server.devices_count, 1);
}

}  // namespace

double TieMargin(double best_score) {
  return std::max(kMarginLeast, kMarginRatio * std::abs(best_score));
}

size_t BreakTie(const ClusterView& cluster,
                const Request& request,
                std::span<const ScoredServer> tied) {
  const double added = static_cast<double>(request.GuaranteedShare()) * request.devices;
  double sum = 0;
  for (const ScoredServer& one : tied) {
    sum += Load(cluster.servers()[one.server], 0);
  }
  // The newcomer counts in the mean, too, or nobody could be the first on an empty server.
  const double mean = sum / static_cast<double>(tied.size());
  const uint64_t key = JoinHashes(NameHash(request.tenant), NameHash(request.app));
  size_t best = 0, least_loaded = 0;
  uint64_t best_hash = 0;
  bool found = false;
  for (size_t i = 0; i < tied.size(); ++i) {
    const ServerView& server = cluster.servers()[tied[i].server];
    const double newcomer = added / kWholeShare / std::max<uint32_t>(server.devices_count, 1);
    const uint64_t hash = JoinHashes(key, server.hash);
    if (Load(server, added) <= kLoadMost * (mean + newcomer) + 1e-9 &&
        (!found || hash > best_hash)) {
      best = i;
      best_hash = hash;
      found = true;
    }
    if (Load(server, 0) < Load(cluster.servers()[tied[least_loaded].server], 0)) {
      least_loaded = i;
    }
  }
  return found ? best : least_loaded;
}

}  // namespace farlane::pool
