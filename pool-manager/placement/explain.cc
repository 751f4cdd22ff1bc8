// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/explain.h"

#include <algorithm>
#include <cstdio>

#include "pool-manager/placement/server_scan.h"

namespace farlane::pool {
namespace {

std::string Percent(double ratio) {
  char text[32];
  snprintf(text, sizeof text, "%.2f %%", 100 * ratio);
  return text;
}

std::string NameOf(const ClusterView& cluster, const ChosenServer& chosen) {
  std::string text = cluster.servers()[chosen.server].facts.id + " [";
  for (size_t i = 0; i < chosen.devices.size(); ++i) {
    text += (i == 0 ? "" : ", ") + cluster.DeviceId(chosen.devices[i]);
  }
  return text + "]";
}

std::string NameOf(const ClusterView& cluster, const Candidate& candidate) {
  std::string text;
  for (size_t i = 0; i < candidate.servers.size(); ++i) {
    text += (i == 0 ? "" : ", ") + NameOf(cluster, candidate.servers[i]);
  }
  return text;
}

bool IsChosen(const Decision& decision, uint32_t server) {
  return decision.placed &&
         std::any_of(decision.chosen().servers.begin(), decision.chosen().servers.end(),
                     [&](const ChosenServer& one) { return one.server == server; });
}

}  // namespace

Explanation Explain(const ClusterView& cluster,
                    const NetworkView& network,
                    const Request& request,
                    const PlacementPolicy& policy,
                    const PlacementRules* rules) {
  Explanation explanation{.decision = Decide(cluster, network, request, policy, rules),
                          .servers = {}};
  ServerScan scan(cluster, network, request, policy, rules);
  scan.PreferCurrent();
  for (uint32_t server = 0; server < cluster.servers().size(); ++server) {
    if (cluster.servers()[server].state == ServerState::kGone) {
      continue;
    }
    ServerVerdict verdict{.server = server, .terms = {}};
    if (!request.quota_refusal.empty()) {
      verdict.reason = Reason::kQuota;
    } else {
      verdict.reason = scan.Look(server, &verdict.score);
    }
    if (verdict.reason == Reason::kFits) {
      verdict.terms = scan.Tell(server).terms;
    }
    verdict.chosen = IsChosen(explanation.decision, server);
    explanation.servers.push_back(verdict);
  }
  std::stable_sort(explanation.servers.begin(), explanation.servers.end(),
                   [](const ServerVerdict& a, const ServerVerdict& b) {
                     const bool a_fits = a.reason == Reason::kFits;
                     const bool b_fits = b.reason == Reason::kFits;
                     return a_fits != b_fits ? a_fits : a_fits && a.score < b.score;
                   });
  return explanation;
}

std::string DecisionText(const ClusterView& cluster,
                         const Request& request,
                         const PlacementPolicy& policy,
                         const Decision& decision) {
  if (!decision.placed) {
    return decision.refusal + "\n";
  }
  const Candidate& chosen = decision.chosen();
  std::string text = Named(request) + (decision.stays ? " stays on " : " goes to ") +
                     NameOf(cluster, chosen) + ": forecast " + Percent(decision.forecast()) +
                     " slower than alone on a local GPU\n";
  text += "  score " + Percent(chosen.score) + " (" + policy.name +
          "): " + chosen.terms.Text(policy) + "\n";
  if (decision.tied > 1) {
    text += "  " + std::to_string(decision.tied) +
            " servers are about as good; the program's name chose among them\n";
  }
  if (decision.sampled) {
    text += "  looked at " + std::to_string(decision.rejections.looked_at) + " of " +
            std::to_string(cluster.servers().size()) + " servers\n";
  }
  if (decision.candidates.size() > 1) {
    text += "  next: " + NameOf(cluster, decision.candidates[1]) + ", score " +
            Percent(decision.candidates[1].score) + "\n";
  }
  if (decision.rejections.looked_at > decision.rejections.Of(Reason::kFits)) {
    text += "  " + decision.rejections.Text() + "\n";
  }
  return text;
}

std::string ExplanationText(const ClusterView& cluster,
                            const Request& request,
                            const PlacementPolicy& policy,
                            const Explanation& explanation,
                            size_t lines_max) {
  std::string text = DecisionText(cluster, request, policy, explanation.decision);
  size_t lines = 0;
  for (const ServerVerdict& verdict : explanation.servers) {
    if (lines++ == lines_max) {
      text +=
          "  … and " + std::to_string(explanation.servers.size() - lines_max) + " more servers\n";
      break;
    }
    const std::string& name = cluster.servers()[verdict.server].facts.id;
    text += std::string(verdict.chosen ? "* " : "  ") + name + ": ";
    text +=
        verdict.chosen && verdict.reason != Reason::kFits ? "gives a part of the devices\n"
        : verdict.reason == Reason::kFits
            ? "score " + Percent(verdict.score) + ": " + verdict.terms.Text(policy) + "\n"
            : std::string(ReasonCode(verdict.reason)) + ": " + ReasonText(verdict.reason) + "\n";
  }
  return text;
}

std::vector<Decision> DryRun(ClusterView cluster,
                             const NetworkView& network,
                             const std::vector<Request>& requests,
                             const PlacementPolicy& policy,
                             const PlacementRules* rules) {
  std::vector<Decision> decisions;
  for (size_t i = 0; i < requests.size(); ++i) {
    Decision decision = Decide(cluster, network, requests[i], policy, rules);
    if (decision.placed) {
      const Status status =
          cluster.Assume(GrantOf("dry run " + std::to_string(i), requests[i], decision),
                         policy.memory_overcommit, policy.share_overcommit);
      decision.placed = status.ok();
      decision.refusal = status.message();
    }
    NoteDemand(cluster, network, requests[i]);
    decisions.push_back(std::move(decision));
  }
  return decisions;
}

}  // namespace farlane::pool
