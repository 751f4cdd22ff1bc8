// SPDX-License-Identifier: Apache-2.0
// PluginRules are the rules of a placement plug-in: a shared library that an operator has named.
// Its answers are checked before they count; one that keeps giving nonsense is asked no more.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "pool-manager/placement/placement_rules.h"
#include "pool-manager/plugin/farlane_placement.h"

namespace farlane::pool {

// So many answers that are no scores, and a plug-in is out.
inline constexpr uint32_t kPluginFaultsMost = 10;

// Thread: owner only.
class PluginRules : public PlacementRules {
 public:
  // By an absolute path: what is meant must not depend on where somebody stands.
  static Result<std::unique_ptr<PluginRules>> Load(const std::string& path);

  ~PluginRules() override;
  PluginRules(const PluginRules&) = delete;
  PluginRules& operator=(const PluginRules&) = delete;

  Reason Filter(const RuleSubject& subject) const override;
  double Score(const RuleSubject& subject, const Slowdown& terms, double score) const override;

  const char* name() const { return plugin_->name; }

  uint32_t faults_count() const { return faults_; }

  bool IsOut() const { return faults_ >= kPluginFaultsMost; }

 private:
  PluginRules(void* library, const farlane_placement_plugin* plugin)
      : library_(library), plugin_(plugin) {}

  void* library_;
  const farlane_placement_plugin* plugin_;
  mutable uint32_t faults_ = 0;
};

}  // namespace farlane::pool
