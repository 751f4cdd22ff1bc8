// SPDX-License-Identifier: Apache-2.0
// PlacementRules are what somebody has added to placement for a pool: an expression of its policy,
// or a plug-in. They may keep devices out and add to the score; what they may not do is change
// anything.
#pragma once

#include "pool-manager/placement/cluster_view.h"
#include "pool-manager/placement/link_estimate.h"
#include "pool-manager/placement/reason.h"
#include "pool-manager/placement/request.h"
#include "pool-manager/placement/slowdown.h"

namespace farlane::pool {

// A place that could take a request, as rules see it.
struct RuleSubject {
  const ClusterView& cluster;
  const Request& request;
  const ServerView& server;
  const DeviceView& device;
  const LinkEstimate& link;
};

// Thread: caller's.
class PlacementRules {
 public:
  virtual ~PlacementRules() = default;

  // kFits, or the reason that keeps this device out.
  virtual Reason Filter(const RuleSubject& subject) const = 0;
  // The score of this place, given the policy's own; lower is better. Never more than finite.
  virtual double Score(const RuleSubject& subject, const Slowdown& terms, double score) const = 0;
};

}  // namespace farlane::pool
