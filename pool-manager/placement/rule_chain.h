// SPDX-License-Identifier: Apache-2.0
// RuleChain is several rules, one after the other: each filter must let a device in, and each score
// goes on from the one before.
#pragma once

#include <vector>

#include "pool-manager/placement/placement_rules.h"

namespace farlane::pool {

// Lives no longer than its rules.
class RuleChain : public PlacementRules {
 public:
  explicit RuleChain(std::vector<const PlacementRules*> rules) : rules_(std::move(rules)) {}

  Reason Filter(const RuleSubject& subject) const override {
    for (const PlacementRules* one : rules_) {
      if (const Reason reason = one->Filter(subject); reason != Reason::kFits) {
        return reason;
      }
    }
    return Reason::kFits;
  }

  double Score(const RuleSubject& subject, const Slowdown& terms, double score) const override {
    for (const PlacementRules* one : rules_) {
      score = one->Score(subject, terms, score);
    }
    return score;
  }

 private:
  std::vector<const PlacementRules*> rules_;
};

}  // namespace farlane::pool
