// SPDX-License-Identifier: Apache-2.0
// RequestFilter says which servers and devices can take a request at all, in the order of what is
// cheap to know: is it to be had, is it near enough, has it what is asked for.
#pragma once

#include <cstdint>
#include <vector>

#include "pool-manager/placement/network_view.h"
#include "pool-manager/placement/placement_rules.h"
#include "pool-manager/placement/policy.h"
#include "pool-manager/placement/reason.h"
#include "pool-manager/placement/request.h"

namespace farlane::pool {

// Immutable; lives no longer than what it was made of.
class RequestFilter {
 public:
  RequestFilter(const ClusterView& cluster,
                const NetworkView& network,
                const Request& request,
                const PlacementPolicy& policy,
                const PlacementRules* rules);

  // First step: to be had, and near enough.
  Reason NetworkReason(uint32_t server) const;
  // Second step: what the server is.
  Reason ServerReason(uint32_t server) const;
  // ... and what each of its devices has.
  Reason DeviceReason(uint32_t server, uint32_t device) const;

  // How well a server suits the wishes that are none of these: -1 … 1.
  double Affinity(uint32_t server) const;

  bool ModelFits(uint16_t model) const { return model_fits_[model] != 0; }

  bool AnyModel() const { return request_->models.empty(); }

 private:
  struct Near {
    NearRule::Scope scope;
    bool away;
    bool required;
    std::vector<uint32_t> where;  // sorted: servers, racks or domains
  };

  Reason ResourceReason(const DeviceView& device) const;
  bool IsThere(const Near& near, uint32_t server) const;

  const ClusterView* cluster_;
  const NetworkView* network_;
  const Request* request_;
  const PlacementPolicy* policy_;
  const PlacementRules* rules_or_null_;
  std::vector<uint8_t> model_fits_;
  std::vector<uint64_t> excluded_;
  std::vector<Near> near_;
  uint64_t app_ = 0;
  uint64_t tenant_ = 0;
  uint64_t share_most_ = 0;
};

}  // namespace farlane::pool
