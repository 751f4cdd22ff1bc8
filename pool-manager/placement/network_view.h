// SPDX-License-Identifier: Apache-2.0
// NetworkView is how far one client is from each server: measured where somebody has measured,
// guessed from the names of places elsewhere.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "pool-manager/placement/cluster_view.h"
#include "pool-manager/placement/distance_table.h"
#include "pool-manager/placement/link_estimate.h"

namespace farlane::pool {

// What being near is worth to a request: where it is nearest, and what it would lose elsewhere.
struct NearLoss {
  uint32_t domain = 0;
  double loss = 0;  // seconds per second of GPU work
};

// Thread: caller's; only read while deciding.
class NetworkView {
 public:
  NetworkView(const ClusterView& cluster, const Place& client, const DistanceTable& distances);

  // The way to a whole domain, if better is known than its name.
  void SetDomain(uint32_t domain, const LinkEstimate& link);
  // The way to other machines of the client's rack.
  void SetSameRack(const LinkEstimate& link);
  // The way to one server. Of what is said of it, the best evidence counts.
  void SetServer(uint32_t server, const LinkEstimate& link);

  const LinkEstimate& To(const ServerView& server, uint32_t index) const {
    if (!measured_.empty()) {
      if (const LinkEstimate* link = FindMeasured(index)) {
        return *link;
      }
    }
    if (client_host_ != 0 && server.host == client_host_ && server.domain == client_domain_) {
      return same_host_;
    }
    if (client_rack_ != 0 && server.rack == client_rack_) {
      return same_rack_;
    }
    return ToDomain(server.domain);
  }

  const LinkEstimate& ToDomain(uint32_t domain) const {
    return domain < domains_.size() ? domains_[domain] : unknown_;
  }

  // All domains that have servers, the nearest first.
  std::vector<uint32_t> Nearest(const ClusterView& cluster) const;

  // What a program with `calls` and `bytes` per second of GPU work loses if its nearest domain is
  // taken and it has to go to the next one that has room.
  NearLoss LossOfNearest(const ClusterView& cluster, double calls, double bytes) const;

 private:
  const LinkEstimate* FindMeasured(uint32_t server) const;

  std::vector<LinkEstimate> domains_;
  std::vector<std::pair<uint32_t, LinkEstimate>> measured_;  // sorted by server
  LinkEstimate same_host_;
  LinkEstimate same_rack_;
  LinkEstimate unknown_;
  uint64_t client_host_ = 0;
  uint32_t client_rack_ = 0;
  uint32_t client_domain_ = 0;
};

}  // namespace farlane::pool
