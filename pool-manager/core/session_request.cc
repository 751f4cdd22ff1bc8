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
  request.rtt_max_s = spec.max_rtt_ms() / 1000;
  request.bandwidth_min_bytes_per_s = spec.min_bandwidth_bytes();
  request.isolation = IsolationOf(spec.isolation());
  request.profile = AppProfile::OfClass(AppClassOf(spec.profile()));
  return request;
}

}  // namespace farlane::pool
