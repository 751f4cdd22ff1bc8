// SPDX-License-Identifier: Apache-2.0
// ServerScan looks at one server for a request: can it take it, with which of its devices, and what
// is forecast there.
#pragma once

#include <cstdint>
#include <vector>

#include "pool-manager/placement/decision.h"
#include "pool-manager/placement/request_filter.h"

namespace farlane::pool {

struct ScoredDevice {
  double score = 0;
  uint32_t device = 0;
};

struct ScoredServer {
  double score = 0;
  uint32_t server = 0;
};

// What devices of one session lose that do not reach each other directly, by how far apart they
// are.
inline constexpr double kPeersApart = 0.05;  // on one server
inline constexpr double kPeersInRack = 0.1;
inline constexpr double kPeersInZone = 0.2;
inline constexpr double kPeersFar = 0.5;

// Thread: caller's; lives no longer than what it was made of.
class ServerScan {
 public:
  ServerScan(const ClusterView& cluster,
             const NetworkView& network,
             const Request& request,
             const PlacementPolicy& policy,
             const PlacementRules* rules);

  // kFits and the score of the server's best devices, or why not.
  Reason Look(uint32_t server, double* score);
  // The same, told in full. Only of a server that fits.
  Candidate Tell(uint32_t server);
  // Its fitting devices, the best first.
  Reason FittingDevices(uint32_t server, std::vector<ScoredDevice>* fitting);

  Slowdown TermsOf(uint32_t server, uint32_t device) const;
  double ScoreOf(uint32_t server, uint32_t device, const Slowdown& terms) const;

  // From now on, whoever is not the current server must be better by a margin.
  void PreferCurrent();

  const RequestFilter& filter() const { return filter_; }

 private:
  struct Picked {
    double score = 0;
    bool apart = false;
  };

  Slowdown ServerTerms(uint32_t server) const;
  Reason BestDevice(uint32_t server, double* score);
  Picked PickSeveral(std::vector<ScoredDevice>* fitting) const;

  const ClusterView* cluster_;
  const NetworkView* network_;
  const Request* request_;
  const PlacementPolicy* policy_;
  const PlacementRules* rules_or_null_;
  RequestFilter filter_;
  double hysteresis_ = 0;
  std::vector<ScoredDevice> fitting_;  // kept between calls, for its memory
};

}  // namespace farlane::pool
