// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/request_rules.h"

namespace farlane::pool {

Result<RequestRules> RequestRules::Read(const v1::SessionSpec& spec, const PlacementPolicy& usual) {
  RequestRules rules{.policy = usual, .expressions = std::nullopt};
  if (!spec.policy().empty()) {
    FARLANE_ASSIGN(rules.policy, PlacementPolicy::Named(spec.policy()));
  }
  if (!spec.filter().empty() || !spec.score().empty()) {
    FARLANE_ASSIGN(rules.expressions, ExpressionRules::Read(spec.filter(), spec.score()));
  }
  return rules;
}

Result<std::vector<NearRule>> NearRulesOf(const v1::SessionSpec& spec) {
  if (spec.near_size() > kNearRulesMax) {
    return Status(StatusCode::kInvalidArgument,
                  "a session names at most " + std::to_string(kNearRulesMax) +
                      " groups to be near or away from, not " + std::to_string(spec.near_size()));
  }
  std::vector<NearRule> rules;
  for (const v1::NearRule& said : spec.near()) {
    NearRule rule{.group = said.group(), .away = said.away(), .required = said.required()};
    if (said.scope() == "rack") {
      rule.scope = NearRule::Scope::kRack;
    } else if (said.scope() == "zone") {
      rule.scope = NearRule::Scope::kZone;
    } else if (!said.scope().empty() && said.scope() != "server") {
      return Status(
          StatusCode::kInvalidArgument,
          "near is meant of a server, a rack or a zone, not of a \"" + said.scope() + "\"");
    }
    if (rule.group.empty()) {
      return Status(StatusCode::kInvalidArgument, "a group to be near or away from has no name");
    }
    rules.push_back(std::move(rule));
  }
  return rules;
}

}  // namespace farlane::pool
