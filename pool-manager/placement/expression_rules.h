// SPDX-License-Identifier: Apache-2.0
// ExpressionRules are the filter and the score that a placement policy has as expressions.
#pragma once

#include <optional>
#include <string>

#include "pool-manager/placement/expression.h"
#include "pool-manager/placement/placement_rules.h"

namespace farlane::pool {

// No rule may say more than this, nor less than minus this.
inline constexpr double kScoreMost = 1e6;

// A score that somebody else has computed: if it is no number, the worst; if too large, the
// largest.
double CheckedScore(double score);

// Immutable.
class ExpressionRules : public PlacementRules {
 public:
  // Either may be empty.
  static Result<ExpressionRules> Read(const std::string& filter, const std::string& score);

  Reason Filter(const RuleSubject& subject) const override;
  double Score(const RuleSubject& subject, const Slowdown& terms, double score) const override;

  // What may be asked for in a filter; a score may ask for the terms of the forecast, too.
  static const std::vector<ExpressionName>& FilterNames();
  static const std::vector<ExpressionName>& ScoreNames();

 private:
  std::optional<Expression> filter_;
  std::optional<Expression> score_;
};

}  // namespace farlane::pool
