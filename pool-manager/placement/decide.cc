// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/decide.h"

#include <algorithm>
#include <cmath>

#include "pool-manager/placement/across_servers.h"
#include "pool-manager/placement/server_sample.h"
#include "pool-manager/placement/server_scan.h"
#include "pool-manager/placement/tie_break.h"

namespace farlane::pool {
namespace {

constexpr uint32_t kDevicesMost = 65'536;  // of one request: more than any pool of today has free

std::vector<uint32_t> AllServers(const ClusterView& cluster) {
  std::vector<uint32_t> all(cluster.servers().size());
  for (uint32_t i = 0; i < all.size(); ++i) {
    all[i] = i;
  }
  return all;
}

std::vector<ScoredServer> Scan(const ClusterView& cluster,
                               const std::vector<uint32_t>& servers,
                               ServerScan& scan,
                               Rejections* rejections) {
  std::vector<ScoredServer> fitting;
  *rejections = {};
  for (const uint32_t server : servers) {
    if (cluster.servers()[server].state == ServerState::kGone) {
      continue;
    }
    double score = 0;
    const Reason reason = scan.Look(server, &score);
    rejections->Count(reason);
    if (reason == Reason::kFits) {
      fitting.push_back({.score = score, .server = server});
    }
  }
  return fitting;
}

// The chosen one first, the next best behind it.
void PutInOrder(const ClusterView& cluster,
                const Request& request,
                ServerScan& scan,
                std::vector<ScoredServer> fitting,
                Decision* decision) {
  const size_t told = std::min(fitting.size(), kCandidatesTold);
  const auto better = [](const ScoredServer& a, const ScoredServer& b) {
    return a.score < b.score || (a.score == b.score && a.server < b.server);
  };
  const double best = std::min_element(fitting.begin(), fitting.end(), better)->score;
  const auto tied_end = std::partition(fitting.begin(), fitting.end(), [&](const auto& one) {
    return one.score <= best + TieMargin(best);
  });
  const auto tied = static_cast<size_t>(tied_end - fitting.begin());
  decision->tied = tied;
  // Whoever runs there already stays: being as good is no reason to move.
  auto chosen = std::find_if(fitting.begin(), tied_end, [&](const ScoredServer& one) {
    return request.current_server == one.server;
  });
  if (chosen == tied_end) {
    chosen = fitting.begin() +
             static_cast<std::ptrdiff_t>(BreakTie(cluster, request, {fitting.data(), tied}));
  }
  std::iter_swap(fitting.begin(), chosen);
  std::partial_sort(fitting.begin() + 1, fitting.begin() + static_cast<std::ptrdiff_t>(told),
                    fitting.end(), better);
  for (size_t i = 0; i < told; ++i) {
    decision->candidates.push_back(scan.Tell(fitting[i].server));
  }
}

void Refuse(const Request& request, Decision* decision) {
  decision->refusal = "no server can take " + Named(request) + ": " + decision->rejections.Text();
}

Decision RefuseAll(const ClusterView& cluster, const Request& request) {
  Decision decision;
  for (const ServerView& server : cluster.servers()) {
    if (server.state != ServerState::kGone) {
      decision.rejections.Count(Reason::kQuota);
    }
  }
  decision.refusal = request.quota_refusal;
  return decision;
}

bool IsCount(double value) {
  return std::isfinite(value) && value >= 0;
}

}  // namespace

Status CheckRequest(const Request& request) {
  if (request.devices < 1 || request.devices > kDevicesMost) {
    return Status(StatusCode::kInvalidArgument,
                  "a request is for 1 to " + std::to_string(kDevicesMost) + " devices, not for " +
                      std::to_string(request.devices));
  }
  if (request.share < 1 || request.share > kWholeShare) {
    return Status(
        StatusCode::kInvalidArgument,
        "a share is more than nothing and at most one GPU, not " + ShareText(request.share));
  }
  const AppProfile& profile = request.profile;
  for (const double number :
       {request.rtt_max_s, request.bandwidth_min_bytes_per_s, request.client_nic_bytes_per_s,
        profile.calls_per_gpu_s.mean, profile.bytes_per_gpu_s.mean, profile.busy.mean,
        profile.working_set_bytes.mean}) {
    if (!IsCount(number)) {
      return Status(StatusCode::kInvalidArgument,
                    Named(request) + " has a number that is none or below nothing");
    }
  }
  return Status::Ok();
}

Decision Decide(const ClusterView& cluster,
                const NetworkView& network,
                const Request& request,
                const PlacementPolicy& policy,
                const PlacementRules* rules) {
  if (!request.quota_refusal.empty()) {
    return RefuseAll(cluster, request);
  }
  Decision decision;
  if (const Status status = CheckRequest(request); !status.ok()) {
    decision.refusal = status.message();
    return decision;
  }
  ServerScan scan(cluster, network, request, policy, rules);
  scan.PreferCurrent();
  decision.sampled = cluster.devices().size() > policy.full_scan_devices_max;
  std::vector<ScoredServer> fitting =
      Scan(cluster,
           decision.sampled ? SampleServers(cluster, network, scan.filter(), request)
                            : AllServers(cluster),
           scan, &decision.rejections);
  if (fitting.empty() && decision.sampled) {
    // Nobody is told "no" before everybody has been asked.
    decision.sampled = false;
    fitting = Scan(cluster, AllServers(cluster), scan, &decision.rejections);
  }
  if (!fitting.empty()) {
    PutInOrder(cluster, request, scan, std::move(fitting), &decision);
  } else if (request.across_servers && request.devices > 1) {
    if (auto candidate = ChooseAcross(cluster, request, policy, scan)) {
      decision.candidates.push_back(std::move(*candidate));
    }
  }
  decision.placed = !decision.candidates.empty();
  if (!decision.placed) {
    Refuse(request, &decision);
    return decision;
  }
  decision.stays = request.current_server.has_value() && decision.chosen().servers.size() == 1 &&
                   decision.chosen().servers.front().server == *request.current_server;
  return decision;
}

void NoteDemand(ClusterView& cluster, const NetworkView& network, const Request& request) {
  const NearLoss near = network.LossOfNearest(cluster, request.profile.calls_per_gpu_s.mean,
                                              request.profile.bytes_per_gpu_s.mean);
  cluster.NoteAsked({.domain = near.domain,
                     .loss = near.loss,
                     .share = request.share,
                     .memory_bytes = request.memory_bytes});
}

}  // namespace farlane::pool
