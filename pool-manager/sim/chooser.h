// SPDX-License-Identifier: Apache-2.0
// A Chooser is a rule for where a session goes: placement itself, or one of the simple rules that
// it must not be worse than. All see the same servers and keep the same promises.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pool-manager/placement/decide.h"
#include "pool-manager/sim/chance.h"

namespace farlane::pool::sim {

enum class Rule : uint8_t {
  kFarlane,       // the forecast, with the price of near capacity
  kGreedy,        // ... without it
  kNearest,       // the least round trip, then the least busy
  kLeastLoaded,   // the least busy, wherever
  kFixedWeights,  // half load, half round trip against five milliseconds
  kRandom,
};

const char* RuleName(Rule rule);
Result<Rule> RuleNamed(const std::string& name);
const std::vector<Rule>& AllRules();

struct Choice {
  uint32_t server = 0;
  Decision decision{};  // of one server and device
};

// Thread: caller's.
class Chooser {
 public:
  Chooser(Rule rule, PlacementPolicy policy, uint64_t seed);

  // Nothing if nobody has room.
  std::optional<Choice> Choose(const ClusterView& cluster,
                               const NetworkView& network,
                               const Request& request);

 private:
  Rule rule_;
  PlacementPolicy policy_;
  Chance chance_;
};

}  // namespace farlane::pool::sim
