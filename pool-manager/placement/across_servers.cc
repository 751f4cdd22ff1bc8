// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/across_servers.h"

#include <algorithm>
#include <map>
#include <vector>

#include "protocol/base/part_key.h"

namespace farlane::pool {
namespace {

struct Offer {
  uint32_t server = 0;
  std::vector<ScoredDevice> fitting;  // the best first
};

using Offers = std::vector<const Offer*>;

size_t DevicesOf(const Offers& offers) {
  size_t count = 0;
  for (const Offer* offer : offers) {
    count += offer->fitting.size();
  }
  return count;
}

// As few servers as can be, of these the better ones.
std::optional<Candidate> Take(Offers offers,
                              const Request& request,
                              const PlacementPolicy& policy,
                              const ServerScan& scan,
                              double apart) {
  std::stable_sort(offers.begin(), offers.end(), [&](const Offer* a, const Offer* b) {
    const size_t of_a = std::min<size_t>(a->fitting.size(), request.devices);
    const size_t of_b = std::min<size_t>(b->fitting.size(), request.devices);
    return of_a != of_b ? of_a > of_b : a->fitting.front().score < b->fitting.front().score;
  });
  Candidate candidate;
  size_t missing = request.devices;
  for (const Offer* offer : offers) {
    ChosenServer chosen{.server = offer->server, .devices = {}};
    for (size_t i = 0; i < offer->fitting.size() && missing > 0; ++i, --missing) {
      const ScoredDevice& one = offer->fitting[i];
      chosen.devices.push_back(one.device);
      const bool worst = candidate.servers.empty() && chosen.devices.size() == 1;
      if (worst || one.score > candidate.score) {
        candidate.score = one.score;
        candidate.terms = scan.TermsOf(offer->server, one.device);
      }
    }
    candidate.servers.push_back(std::move(chosen));
    if (missing == 0) {
      candidate.terms.rules = candidate.score - candidate.terms.Score(policy);
      candidate.terms.peers = apart;
      candidate.score += apart;
      return candidate;
    }
    if (candidate.servers.size() == kPartsMost) {
      break;  // a program has no more
    }
  }
  return std::nullopt;
}

template <typename KeyOf>
std::optional<Candidate> BestOf(const std::vector<Offer>& offers,
                                const Request& request,
                                const PlacementPolicy& policy,
                                const ServerScan& scan,
                                double apart,
                                KeyOf&& key_of) {
  std::map<uint32_t, Offers> groups;
  for (const Offer& offer : offers) {
    if (const std::optional<uint32_t> key = key_of(offer.server)) {
      groups[*key].push_back(&offer);
    }
  }
  std::optional<Candidate> best;
  for (const auto& [key, group] : groups) {
    if (DevicesOf(group) < request.devices) {
      continue;
    }
    std::optional<Candidate> one = Take(group, request, policy, scan, apart);
    if (one.has_value() && (!best.has_value() || one->score < best->score)) {
      best = std::move(one);
    }
  }
  return best;
}

}  // namespace

std::optional<Candidate> ChooseAcross(const ClusterView& cluster,
                                      const Request& request,
                                      const PlacementPolicy& policy,
                                      ServerScan& scan) {
  std::vector<Offer> offers;
  std::vector<ScoredDevice> fitting;
  for (uint32_t server = 0; server < cluster.servers().size(); ++server) {
    if (scan.FittingDevices(server, &fitting) == Reason::kFits) {
      offers.push_back({.server = server, .fitting = fitting});
    }
  }
  const auto rack_of = [&](uint32_t server) {
    const uint32_t rack = cluster.servers()[server].rack;
    return rack == 0 ? std::nullopt : std::optional<uint32_t>(rack);
  };
  const auto domain_of = [&](uint32_t server) {
    return std::optional<uint32_t>(cluster.servers()[server].domain);
  };
  const auto anywhere = [](uint32_t) { return std::optional<uint32_t>(0); };
  if (auto best = BestOf(offers, request, policy, scan, kPeersInRack, rack_of)) {
    return best;
  }
  if (auto best = BestOf(offers, request, policy, scan, kPeersInZone, domain_of)) {
    return best;
  }
  return BestOf(offers, request, policy, scan, kPeersFar, anywhere);
}

}  // namespace farlane::pool
