// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/server_scan.h"

#include <algorithm>
#include <cmath>

namespace farlane::pool {
namespace {

// A move must bring so much, or it is not worth its pause.
constexpr double kMoveGainLeast = 0.02;
constexpr double kMoveGainRatio = 0.15;

bool Better(const ScoredDevice& one, const ScoredDevice& other) {
  return one.score < other.score || (one.score == other.score && one.device < other.device);
}

}  // namespace

ServerScan::ServerScan(const ClusterView& cluster,
                       const NetworkView& network,
                       const Request& request,
                       const PlacementPolicy& policy,
                       const PlacementRules* rules)
    : cluster_(&cluster),
      network_(&network),
      request_(&request),
      policy_(&policy),
      rules_or_null_(rules),
      filter_(cluster, network, request, policy, rules) {}

void ServerScan::PreferCurrent() {
  if (!request_->current_server.has_value() ||
      *request_->current_server >= cluster_->servers().size()) {
    return;
  }
  double score = 0;
  hysteresis_ = 0;
  if (Look(*request_->current_server, &score) == Reason::kFits) {
    hysteresis_ = std::max(kMoveGainLeast, kMoveGainRatio * std::abs(score));
  }
}

Slowdown ServerScan::ServerTerms(uint32_t index) const {
  const ServerView& server = cluster_->servers()[index];
  Slowdown terms;
  AddServerTerms(*cluster_, server, network_->To(server, index), *request_, &terms);
  terms.affinity = filter_.Affinity(index);
  terms.hysteresis = request_->current_server == index ? 0 : hysteresis_;
  return terms;
}

Slowdown ServerScan::TermsOf(uint32_t server, uint32_t device) const {
  Slowdown terms = ServerTerms(server);
  AddDeviceTerms(*cluster_, cluster_->servers()[server], cluster_->devices()[device], *request_,
                 *policy_, &terms);
  return terms;
}

double ServerScan::ScoreOf(uint32_t server, uint32_t device, const Slowdown& terms) const {
  const double score = terms.Score(*policy_);
  if (rules_or_null_ == nullptr) {
    return score;
  }
  const ServerView& view = cluster_->servers()[server];
  return rules_or_null_->Score({.cluster = *cluster_,
                                .request = *request_,
                                .server = view,
                                .device = cluster_->devices()[device],
                                .link = network_->To(view, server)},
                               terms, score);
}

Reason ServerScan::FittingDevices(uint32_t index, std::vector<ScoredDevice>* fitting) {
  fitting->clear();
  Reason reason = filter_.NetworkReason(index);
  if (reason == Reason::kFits) {
    reason = filter_.ServerReason(index);
  }
  if (reason != Reason::kFits) {
    return reason;
  }
  const ServerView& server = cluster_->servers()[index];
  const Slowdown of_server = ServerTerms(index);
  Reason furthest = Reason::kTooFewDevices;
  for (uint32_t i = 0; i < server.devices_count; ++i) {
    const uint32_t device = server.device_first + i;
    const Reason why = filter_.DeviceReason(index, device);
    if (why != Reason::kFits) {
      furthest = furthest == Reason::kTooFewDevices ? why : std::max(furthest, why);
      continue;
    }
    Slowdown terms = of_server;
    AddDeviceTerms(*cluster_, server, cluster_->devices()[device], *request_, *policy_, &terms);
    fitting->push_back({.score = ScoreOf(index, device, terms), .device = device});
  }
  std::sort(fitting->begin(), fitting->end(), Better);
  return fitting->empty() ? furthest : Reason::kFits;
}

// The best devices that reach each other, if there are enough of them; else the best.
ServerScan::Picked ServerScan::PickSeveral(std::vector<ScoredDevice>* fitting) const {
  const size_t count = request_->devices;
  std::vector<ScoredDevice> best(fitting->begin(),
                                 fitting->begin() + static_cast<std::ptrdiff_t>(count));
  const auto group_of = [&](const ScoredDevice& one) {
    return cluster_->devices()[one.device].facts.peer_group;
  };
  const bool together = std::all_of(best.begin(), best.end(), [&](const ScoredDevice& one) {
    return group_of(one) == group_of(best.front());
  });
  Picked picked{.score = best.back().score + (together ? 0 : kPeersApart), .apart = !together};
  for (size_t i = 0; i < fitting->size() && !together; ++i) {
    std::vector<ScoredDevice> group;
    for (size_t k = i; k < fitting->size() && group.size() < count; ++k) {
      if (group_of((*fitting)[k]) == group_of((*fitting)[i])) {
        group.push_back((*fitting)[k]);
      }
    }
    if (group.size() == count && group.back().score < picked.score) {
      picked = {.score = group.back().score, .apart = false};
      best = group;
    }
  }
  *fitting = std::move(best);
  return picked;
}

// As FittingDevices, for the many requests that want one device: nothing is kept, nothing sorted.
Reason ServerScan::BestDevice(uint32_t index, double* score) {
  Reason reason = filter_.NetworkReason(index);
  if (reason == Reason::kFits) {
    reason = filter_.ServerReason(index);
  }
  if (reason != Reason::kFits) {
    return reason;
  }
  const ServerView& server = cluster_->servers()[index];
  const Slowdown of_server = ServerTerms(index);
  Reason furthest = Reason::kTooFewDevices;
  bool found = false;
  for (uint32_t device = server.device_first; device < server.device_first + server.devices_count;
       ++device) {
    const Reason why = filter_.DeviceReason(index, device);
    if (why != Reason::kFits) {
      furthest = furthest == Reason::kTooFewDevices ? why : std::max(furthest, why);
      continue;
    }
    Slowdown terms = of_server;
    AddDeviceTerms(*cluster_, server, cluster_->devices()[device], *request_, *policy_, &terms);
    const double of_device = ScoreOf(index, device, terms);
    if (!found || of_device < *score) {
      *score = of_device;
      found = true;
    }
  }
  return found ? Reason::kFits : furthest;
}

Reason ServerScan::Look(uint32_t server, double* score) {
  if (request_->devices <= 1) {
    return BestDevice(server, score);
  }
  const Reason reason = FittingDevices(server, &fitting_);
  if (reason != Reason::kFits) {
    return reason;
  }
  if (fitting_.size() < request_->devices) {
    return Reason::kTooFewDevices;
  }
  *score = PickSeveral(&fitting_).score;
  return Reason::kFits;
}

Candidate ServerScan::Tell(uint32_t server) {
  std::vector<ScoredDevice> fitting;
  Candidate candidate;
  if (FittingDevices(server, &fitting) != Reason::kFits || fitting.size() < request_->devices) {
    return candidate;
  }
  const Picked picked = request_->devices <= 1
                            ? Picked{.score = fitting.front().score, .apart = false}
                            : PickSeveral(&fitting);
  fitting.resize(std::max<size_t>(request_->devices, 1));
  ChosenServer chosen{.server = server, .devices = {}};
  for (const ScoredDevice& one : fitting) {
    chosen.devices.push_back(one.device);
  }
  candidate.terms = TermsOf(server, fitting.back().device);
  candidate.terms.peers = picked.apart ? kPeersApart : 0;
  candidate.score = picked.score;
  // What rules have made of it beyond the terms.
  candidate.terms.rules = picked.score - candidate.terms.Score(*policy_);
  if (rules_or_null_ == nullptr) {
    candidate.terms.rules = 0;
  }
  candidate.servers.push_back(std::move(chosen));
  return candidate;
}

}  // namespace farlane::pool
