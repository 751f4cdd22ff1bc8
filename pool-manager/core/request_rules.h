// SPDX-License-Identifier: Apache-2.0
// RequestRules is by which rules a request is looked at: the pool's policy, or another one that
// somebody would like to try on it.
#pragma once

#include <optional>

#include "pool-manager/placement/expression_rules.h"
#include "pool-manager/placement/policy.h"
#include "pool-manager/placement/request.h"
#include "protocol/control/pool.pb.h"

namespace farlane::pool {

struct RequestRules {
  PlacementPolicy policy;
  std::optional<ExpressionRules> expressions;

  const PlacementRules* rules_or_null() const {
    return expressions.has_value() ? &*expressions : nullptr;
  }

  static Result<RequestRules> Read(const v1::SessionSpec& spec, const PlacementPolicy& usual);
};

// Whose company it wants.
inline constexpr int kNearRulesMax = 16;
Result<std::vector<NearRule>> NearRulesOf(const v1::SessionSpec& spec);

}  // namespace farlane::pool
