// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/request_filter.h"

#include <algorithm>

#include "pool-manager/placement/name_hash.h"

namespace farlane::pool {
namespace {

bool SharesAny(const std::vector<std::string>& some, const std::vector<std::string>& others) {
  return std::any_of(some.begin(), some.end(), [&](const std::string& one) {
    return std::find(others.begin(), others.end(), one) != others.end();
  });
}

uint32_t PlaceNumber(const ServerView& server, uint32_t index, NearRule::Scope scope) {
  switch (scope) {
    case NearRule::Scope::kServer:
      return index;
    case NearRule::Scope::kRack:
      return server.rack;
    case NearRule::Scope::kZone:
      return server.domain;
  }
  return index;
}

}  // namespace

RequestFilter::RequestFilter(const ClusterView& cluster,
                             const NetworkView& network,
                             const Request& request,
                             const PlacementPolicy& policy,
                             const PlacementRules* rules)
    : cluster_(&cluster),
      network_(&network),
      request_(&request),
      policy_(&policy),
      rules_or_null_(rules),
      app_(request.app.empty() ? 0 : NameHash(request.app)),
      tenant_(request.tenant.empty() ? 0 : NameHash(request.tenant)),
      share_most_(static_cast<uint64_t>(kWholeShare * policy.share_overcommit)) {
  for (const std::string& model : cluster.models()) {
    const bool fits = request.models.empty() ||
                      std::any_of(request.models.begin(), request.models.end(),
                                  [&](const auto& pattern) { return MatchesName(pattern, model); });
    model_fits_.push_back(fits ? 1 : 0);
  }
  for (const std::string& server : request.excluded) {
    excluded_.push_back(NameHash(server));
  }
  for (const NearRule& rule : request.near) {
    Near near{.scope = rule.scope, .away = rule.away, .required = rule.required, .where = {}};
    if (const auto* servers = cluster.ServersOfGroup(NameHash(rule.group))) {
      for (const auto& [server, sessions] : *servers) {
        near.where.push_back(PlaceNumber(cluster.servers()[server], server, rule.scope));
      }
      std::sort(near.where.begin(), near.where.end());
    }
    // The first of a group cannot be near the others.
    if (rule.required && !rule.away && near.where.empty() && rule.group == request.group) {
      continue;
    }
    near_.push_back(std::move(near));
  }
}

bool RequestFilter::IsThere(const Near& near, uint32_t server) const {
  const uint32_t place = PlaceNumber(cluster_->servers()[server], server, near.scope);
  // Servers whose rack nobody has named are not all in one.
  const bool named = near.scope != NearRule::Scope::kRack || place != 0;
  return named && std::binary_search(near.where.begin(), near.where.end(), place);
}

Reason RequestFilter::NetworkReason(uint32_t index) const {
  const ServerView& server = cluster_->servers()[index];
  if (server.state != ServerState::kReady) {
    return Reason::kNotReady;
  }
  if (server.cordoned) {
    return Reason::kCordoned;
  }
  if (!excluded_.empty() &&
      std::find(excluded_.begin(), excluded_.end(), server.hash) != excluded_.end()) {
    return Reason::kExcluded;
  }
  if (!request_->pools.empty() && !SharesAny(request_->pools, server.facts.pools)) {
    return Reason::kPool;
  }
  if ((server.transports & request_->transports) == 0) {
    return Reason::kTransport;
  }
  const LinkEstimate& link = network_->To(server, index);
  if (request_->rtt_max_s > 0 && !(link.rtt_s <= request_->rtt_max_s)) {
    return Reason::kRttTooHigh;
  }
  // A way of unknown bandwidth cannot be promised.
  if (request_->bandwidth_min_bytes_per_s > 0 &&
      !(link.bytes_per_s >= request_->bandwidth_min_bytes_per_s)) {
    return Reason::kBandwidthTooLow;
  }
  return Reason::kFits;
}

Reason RequestFilter::ServerReason(uint32_t index) const {
  const ServerView& server = cluster_->servers()[index];
  for (const Taint& taint : server.facts.taints) {
    if (taint.repels && !Tolerates(request_->tolerations, taint)) {
      return Reason::kTaint;
    }
  }
  if (!Selects(request_->selector, server.facts.labels)) {
    return Reason::kSelector;
  }
  for (const Near& near : near_) {
    if (near.required && IsThere(near, index) == near.away) {
      return near.away ? Reason::kAntiAffinity : Reason::kAffinity;
    }
  }
  return Reason::kFits;
}

Reason RequestFilter::ResourceReason(const DeviceView& device) const {
  if (!MayEnter(device, request_->isolation, tenant_)) {
    return Reason::kIsolation;
  }
  if (device.facts.sessions_max > 0 && device.sessions >= device.facts.sessions_max) {
    return Reason::kSessionSlots;
  }
  if (device.promised_share + uint64_t{request_->GuaranteedShare()} > share_most_) {
    return Reason::kShare;
  }
  const uint64_t memory = device.facts.memory_bytes;
  if (device.promised_bytes > memory || request_->memory_bytes > memory - device.promised_bytes) {
    return Reason::kMemory;
  }
  const double limits =
      static_cast<double>(device.limit_bytes) + static_cast<double>(request_->MemoryLimit());
  if (limits > static_cast<double>(memory) * policy_->memory_overcommit) {
    return Reason::kMemoryOvercommit;
  }
  return Reason::kFits;
}

Reason RequestFilter::DeviceReason(uint32_t server, uint32_t index) const {
  const DeviceView& device = cluster_->devices()[index];
  if (!device.facts.healthy || device.facts.cordoned) {
    return Reason::kDeviceUnhealthy;
  }
  if (!ModelFits(device.model)) {
    return Reason::kModel;
  }
  if (device.facts.compute_capability < request_->compute_capability_min) {
    return Reason::kComputeCapability;
  }
  if (device.facts.cuda_version < request_->cuda_version_min) {
    return Reason::kDriverTooOld;
  }
  const Reason reason = ResourceReason(device);
  if (reason != Reason::kFits || rules_or_null_ == nullptr) {
    return reason;
  }
  const ServerView& view = cluster_->servers()[server];
  return rules_or_null_->Filter({.cluster = *cluster_,
                                 .request = *request_,
                                 .server = view,
                                 .device = device,
                                 .link = network_->To(view, server)});
}

double RequestFilter::Affinity(uint32_t index) const {
  const ServerView& server = cluster_->servers()[index];
  double affinity = 0;
  if (app_ != 0 && std::binary_search(server.cached.begin(), server.cached.end(), app_)) {
    affinity = 1;
  }
  size_t wishes = 1;
  for (const Near& near : near_) {
    if (!near.required) {
      ++wishes;
      affinity += IsThere(near, index) ? (near.away ? -1 : 1) : 0;
    }
  }
  return affinity / static_cast<double>(wishes);
}

}  // namespace farlane::pool
