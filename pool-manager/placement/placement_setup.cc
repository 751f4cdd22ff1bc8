// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/placement_setup.h"

#include "pool-manager/placement/expression_rules.h"
#include "pool-manager/placement/plugin_rules.h"

namespace farlane::pool {

Result<PlacementSetup> PlacementSetup::With(const PlacementWords& words) const {
  PlacementSetup setup = *this;
  if (!words.policy.empty()) {
    FARLANE_ASSIGN(setup.policy, PlacementPolicy::Named(words.policy));
  }
  if (!words.filter.empty() || !words.score.empty()) {
    FARLANE_ASSIGN(ExpressionRules rules, ExpressionRules::Read(words.filter, words.score));
    setup.rules = std::make_shared<const ExpressionRules>(std::move(rules));
  }
  return setup;
}

Result<PlacementSetup> PlacementSetup::Read(const PlacementWords& words) {
  FARLANE_ASSIGN(PlacementSetup setup, PlacementSetup().With(words));
  if (words.plugin.empty()) {
    return setup;
  }
  if (setup.rules != nullptr) {
    return Status(StatusCode::kInvalidArgument,
                  "a pool places by a plug-in or by expressions, not by both");
  }
  FARLANE_ASSIGN(std::unique_ptr<PluginRules> plugin, PluginRules::Load(words.plugin));
  setup.rules = std::move(plugin);
  return setup;
}

}  // namespace farlane::pool
