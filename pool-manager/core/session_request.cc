// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/session_request.h"

#include <algorithm>

namespace farlane::pool {
namespace {

constexpr uint32_t kShareOfNone = kWholeShare / 100;

Isolation IsolationOf(const std::string& word) {
  return word == "scrubbed"    ? Isolation::kScrubbed
         : word == "exclusive" ? Isolation::kExclusive
         : word == "mig"       ? Isolation::kMig
                               : Isolation::kShared;
}

}  // namespace

Request RequestOf(const v1::Session& session) {
  const v1::SessionSpec& spec = session.spec();
  Request request;
  request.id = session.id();
  request.tenant = spec.project();
  request.app = spec.program();
  request.devices = std::max(spec.gpus(), 1u);
  request.across_servers = spec.across_servers();
  // Who asks for no share is promised none, and gets some of what is left.
  const auto share = static_cast<uint32_t>(spec.slice().share() * kWholeShare);
  request.share = share != 0 ? share : kShareOfNone;
  request.best_effort = share == 0 || spec.slice().priority() == kBestEffort;
  request.memory_bytes = spec.slice().memory_bytes();
  if (!spec.model().empty()) {
    request.models.push_back("*" + spec.model() + "*");
  }
  for (const auto& [key, value] : spec.selector()) {
    request.selector.push_back({.key = key, .kind = LabelRule::Kind::kIn, .values = {value}});
  }
  for (const v1::Toleration& one : spec.tolerations()) {
    request.tolerations.push_back({.key = one.key(), .value = one.value()});
  }
  request.rtt_max_s = spec.max_rtt_ms() / 1000;
  request.bandwidth_min_bytes_per_s = spec.min_bandwidth_bytes();
  request.isolation = IsolationOf(spec.isolation());
  request.profile = AppProfile::OfClass(AppClassOf(spec.profile()));
  request.group = spec.group();
  // What could not be read was refused before there was a session.
  if (Result<std::vector<NearRule>> near = NearRulesOf(spec); near.ok()) {
    request.near = std::move(near).value();
  }
  return request;
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
