// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/network_view.h"

#include <algorithm>
#include <array>

#include "pool-manager/placement/name_hash.h"

namespace farlane::pool {
namespace {

constexpr double kFull = 0.95;  // a domain as full as that has no room for who is displaced

double SecondsPerByte(const LinkEstimate& link) {
  return link.bytes_per_s > 0 ? 1 / link.bytes_per_s : 0;
}

}  // namespace

NetworkView::NetworkView(const ClusterView& cluster,
                         const Place& client,
                         const DistanceTable& distances) {
  for (const DomainView& domain : cluster.domains()) {
    domains_.push_back(distances.Between(client, {.region = domain.region, .zone = domain.zone}));
  }
  Place neighbour = client;
  same_host_ = distances.Between(client, neighbour);
  neighbour.host.clear();
  same_rack_ = distances.Between(client, neighbour);
  unknown_ = distances.Between(client, {.region = client.region + "?"});
  client_host_ = client.host.empty() ? 0 : NameHash(client.host);
  client_rack_ = cluster.FindRack(client);
  client_domain_ = cluster.FindDomain(client).value_or(UINT32_MAX);
}

void NetworkView::SetDomain(uint32_t domain, const LinkEstimate& link) {
  if (domain < domains_.size()) {
    domains_[domain] = PickEvidence(std::array{domains_[domain], link});
  }
}

void NetworkView::SetSameRack(const LinkEstimate& link) {
  same_rack_ = PickEvidence(std::array{same_rack_, link});
}

void NetworkView::SetServer(uint32_t server, const LinkEstimate& link) {
  const auto at = std::lower_bound(measured_.begin(), measured_.end(), server,
                                   [](const auto& one, uint32_t key) { return one.first < key; });
  if (at != measured_.end() && at->first == server) {
    at->second = PickEvidence(std::array{at->second, link});
  } else if (link.evidence != Evidence::kNone) {
    measured_.insert(at, {server, link});
  }
}

const LinkEstimate* NetworkView::FindMeasured(uint32_t server) const {
  const auto at = std::lower_bound(measured_.begin(), measured_.end(), server,
                                   [](const auto& one, uint32_t key) { return one.first < key; });
  return at != measured_.end() && at->first == server ? &at->second : nullptr;
}

std::vector<uint32_t> NetworkView::Nearest(const ClusterView& cluster) const {
  std::vector<uint32_t> order;
  for (uint32_t i = 0; i < cluster.domains().size(); ++i) {
    if (!cluster.domains()[i].servers.empty()) {
      order.push_back(i);
    }
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return ToDomain(a).rtt_s < ToDomain(b).rtt_s; });
  return order;
}

NearLoss NetworkView::LossOfNearest(const ClusterView& cluster, double calls, double bytes) const {
  const std::vector<uint32_t> order = Nearest(cluster);
  if (order.empty()) {
    return {};
  }
  if (order.size() == 1) {
    return {.domain = order.front()};
  }
  size_t next = 1;
  while (next + 1 < order.size() && cluster.domains()[order[next]].Occupancy() > kFull) {
    ++next;
  }
  if (cluster.domains()[order[next]].Occupancy() > kFull) {
    next = 1;  // all are full: then it is at least that far
  }
  const LinkEstimate& here = ToDomain(order.front());
  const LinkEstimate& there = ToDomain(order[next]);
  const double loss =
      calls * (there.rtt_s - here.rtt_s) + bytes * (SecondsPerByte(there) - SecondsPerByte(here));
  return {.domain = order.front(), .loss = std::max(0.0, loss)};
}

}  // namespace farlane::pool
