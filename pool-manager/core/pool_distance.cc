// SPDX-License-Identifier: Apache-2.0
// The part of Pool that says how far servers are, and why none of them will do.
#include "pool-manager/core/pool.h"
#include "pool-manager/placement/explain.h"

namespace farlane::pool {
namespace {

// Servers that are told why they do not do.
constexpr size_t kExplainMax = 20;

}  // namespace

Objection Pool::NoRoom(const Request& request, const NetworkView& network) const {
  const Explanation explanation = Explain(cluster_, network, request, policy_);
  Objection objection{Objection::Kind::kNoCapacity, "NoServer", explanation.decision.refusal};
  for (const ServerVerdict& verdict : explanation.servers) {
    if (objection.explain.size() == kExplainMax) {
      break;
    }
    const ServerBook::Entry* const server =
        servers_.Find(cluster_.servers()[verdict.server].facts.id);
    objection.explain.push_back((server == nullptr ? "?" : server->inventory.name()) + ": " +
                                ReasonText(verdict.reason));
  }
  return objection;
}

// How far the one who asks is from each server, as far as anybody knows.
NetworkView Pool::ViewFrom(const v1::SessionSpec& spec, const Now& now) const {
  NetworkView network(cluster_,
                      {.region = spec.place().region(),
                       .zone = spec.place().zone(),
                       .rack = spec.place().rack(),
                       .host = spec.host()},
                      distances_);
  learning_.Inform(cluster_, spec, now.ns, &network);
  return network;
}

// As people and programs know servers.
void Pool::Describe(std::vector<v1::Candidate>* candidates) const {
  for (v1::Candidate& candidate : *candidates) {
    if (const ServerBook::Entry* const server = servers_.Find(candidate.server_id())) {
      candidate.set_server(server->inventory.name());
      *candidate.mutable_addresses() = server->inventory.addresses();
    }
  }
}

}  // namespace farlane::pool
