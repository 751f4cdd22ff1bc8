// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/sim/chooser.h"

#include <algorithm>
#include <utility>

#include "pool-manager/placement/server_scan.h"

namespace farlane::pool::sim {
namespace {

constexpr double kRttScaleS = 5e-3;
constexpr double kHardlyAnything = 1e-6;

double SimpleScore(Rule rule, const DeviceView& device, const LinkEstimate& link, double chance) {
  switch (rule) {
    case Rule::kNearest:
      return link.rtt_s * 1e6 + 0.01 * device.Busy();
    case Rule::kLeastLoaded:
      return device.Busy() + kHardlyAnything * chance;
    case Rule::kFixedWeights:
      return 0.5 * device.Busy() + 0.5 * std::min(1.0, link.rtt_s / kRttScaleS);
    default:
      return chance;
  }
}

Decision DecisionFor(const ClusterView& cluster,
                     const NetworkView& network,
                     const Request& request,
                     const PlacementPolicy& policy,
                     uint32_t server,
                     uint32_t device) {
  ServerScan scan(cluster, network, request, policy, nullptr);
  Candidate candidate;
  candidate.servers.push_back({.server = server, .devices = {device}});
  candidate.terms = scan.TermsOf(server, device);
  Decision decision;
  decision.placed = true;
  decision.candidates.push_back(std::move(candidate));
  return decision;
}

}  // namespace

const char* RuleName(Rule rule) {
  switch (rule) {
    case Rule::kFarlane:
      return "farlane";
    case Rule::kGreedy:
      return "greedy";
    case Rule::kNearest:
      return "nearest";
    case Rule::kLeastLoaded:
      return "least-loaded";
    case Rule::kFixedWeights:
      return "fixed-weights";
    case Rule::kRandom:
      return "random";
  }
  return "random";
}

const std::vector<Rule>& AllRules() {
  static const std::vector<Rule> rules = {Rule::kFarlane,     Rule::kGreedy,       Rule::kNearest,
                                          Rule::kLeastLoaded, Rule::kFixedWeights, Rule::kRandom};
  return rules;
}

Result<Rule> RuleNamed(const std::string& name) {
  std::string all;
  for (const Rule rule : AllRules()) {
    if (name == RuleName(rule)) {
      return rule;
    }
    all += (all.empty() ? "" : ", ") + std::string(RuleName(rule));
  }
  return Status(StatusCode::kNotFound, "there is no rule \"" + name + "\" (there are " + all + ")");
}

Chooser::Chooser(Rule rule, PlacementPolicy policy, uint64_t seed)
    : rule_(rule), policy_(std::move(policy)), chance_(seed) {
  if (rule == Rule::kGreedy) {
    policy_.opportunity = 0;
  }
}

std::optional<Choice> Chooser::Choose(const ClusterView& cluster,
                                      const NetworkView& network,
                                      const Request& request) {
  if (rule_ == Rule::kFarlane || rule_ == Rule::kGreedy) {
    Decision decision = Decide(cluster, network, request, policy_);
    if (!decision.placed) {
      return std::nullopt;
    }
    const uint32_t server = decision.chosen().servers.front().server;
    return Choice{.server = server, .decision = std::move(decision)};
  }
  const RequestFilter filter(cluster, network, request, policy_, nullptr);
  std::optional<std::pair<uint32_t, uint32_t>> best;
  double least = 0;
  for (uint32_t server = 0; server < cluster.servers().size(); ++server) {
    if (filter.NetworkReason(server) != Reason::kFits ||
        filter.ServerReason(server) != Reason::kFits) {
      continue;
    }
    const ServerView& view = cluster.servers()[server];
    const LinkEstimate& link = network.To(view, server);
    for (uint32_t i = view.device_first; i < view.device_first + view.devices_count; ++i) {
      const double score = SimpleScore(rule_, cluster.devices()[i], link, chance_.Uniform());
      if ((!best.has_value() || score < least) && filter.DeviceReason(server, i) == Reason::kFits) {
        best = {server, i};
        least = score;
      }
    }
  }
  if (!best.has_value()) {
    return std::nullopt;
  }
  return Choice{
      .server = best->first,
      .decision = DecisionFor(cluster, network, request, policy_, best->first, best->second)};
}

}  // namespace farlane::pool::sim
