// SPDX-License-Identifier: Apache-2.0
// PlacementSetup is by what a pool places: a policy, and the rules that its operator has added to
// it, as expressions or as a plug-in.
#pragma once

#include <memory>
#include <string>

#include "pool-manager/placement/placement_rules.h"
#include "pool-manager/placement/policy.h"
#include "protocol/base/result.h"

namespace farlane::pool {

// As people say it. Empty words mean: none, and of the policy: the usual one.
struct PlacementWords {
  std::string policy{};
  std::string filter{};  // an expression: where it does not hold, nothing is placed
  std::string score{};   // an expression in place of the policy's score
  std::string plugin{};  // the absolute path of a shared library, in place of the two
};

// Copies share their rules. Thread: owner only, for a plug-in is asked by one thread at a time.
struct PlacementSetup {
  PlacementPolicy policy;
  std::shared_ptr<const PlacementRules> rules;

  static Result<PlacementSetup> Read(const PlacementWords& words);

  // The same, with what is said in place of what there was. No plug-in: who only asks a pool must
  // not have it load libraries.
  Result<PlacementSetup> With(const PlacementWords& words) const;
};

}  // namespace farlane::pool
