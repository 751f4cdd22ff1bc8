// SPDX-License-Identifier: Apache-2.0
// A Decision says where a request goes, what is forecast for it there, what would have been next,
// and why others cannot take it. It is words only: nothing has been promised to anybody.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pool-manager/placement/grant.h"
#include "pool-manager/placement/reason.h"
#include "pool-manager/placement/request.h"
#include "pool-manager/placement/slowdown.h"

namespace farlane::pool {

struct ChosenServer {
  uint32_t server = 0;
  std::vector<uint32_t> devices{};  // indices into ClusterView::devices

  bool operator==(const ChosenServer&) const = default;
};

struct Candidate {
  std::vector<ChosenServer> servers{};  // one, unless the request may be spread
  Slowdown terms{};                     // of the worst of its devices: the others wait for it
  double score = 0;
};

// So many of the best are told.
inline constexpr size_t kCandidatesTold = 8;

struct Decision {
  bool placed = false;
  std::vector<Candidate> candidates{};  // the chosen one first, then by score
  size_t tied = 0;                      // that many were as good as the best
  Rejections rejections{};
  bool sampled = false;  // not every server was looked at
  // Of a session that runs already: it stays where it is.
  bool stays = false;
  // Why nobody can take it, in a sentence; empty if placed.
  std::string refusal{};

  const Candidate& chosen() const { return candidates.front(); }

  double forecast() const { return placed ? chosen().terms.Forecast() : 0; }
};

// What a session is promised if a decision is carried out.
Grant GrantOf(const std::string& session, const Request& request, const Decision& decision);

}  // namespace farlane::pool
