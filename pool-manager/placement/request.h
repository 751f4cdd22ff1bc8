// SPDX-License-Identifier: Apache-2.0
// A Request is what somebody wants from the pool: devices, what of them, how far away at most, and
// in whose company.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pool-manager/placement/app_profile.h"
#include "pool-manager/placement/isolation.h"
#include "pool-manager/placement/label_rule.h"
#include "pool-manager/placement/transport_set.h"
#include "protocol/base/slice.h"

namespace farlane::pool {

// To be near a group of sessions, or away from it. A group is a name that sessions carry.
struct NearRule {
  enum class Scope : uint8_t { kServer, kRack, kZone };

  std::string group{};
  Scope scope = Scope::kServer;
  bool away = false;      // anti-affinity
  bool required = false;  // if not: it counts in the score only
};

struct Request {
  // Names the request; the same id gives the same decision. Empty: somebody only asks.
  std::string id{};
  std::string tenant{};
  std::string app{};    // which program: the key of its profile
  std::string group{};  // what its session will be known by to the NearRules of others

  uint32_t devices = 1;
  bool across_servers = false;   // the devices may lie on several servers
  uint32_t share = kWholeShare;  // of each device, guaranteed unless best_effort
  bool best_effort = false;
  uint64_t memory_bytes = 0;          // of each device, guaranteed
  uint64_t memory_limit_bytes = 0;    // may grow to; 0: as guaranteed
  std::vector<std::string> models{};  // patterns, any of them; none: every model
  uint32_t compute_capability_min = 0;
  uint32_t cuda_version_min = 0;
  Isolation isolation = Isolation::kShared;

  double rtt_max_s = 0;  // 0: as far as it may be
  double bandwidth_min_bytes_per_s = 0;
  TransportSet transports = kAnyTransport;
  double client_nic_bytes_per_s = 0;  // 0: unknown

  std::vector<std::string> pools{};  // it may use; none: every pool
  std::vector<LabelRule> selector{};
  std::vector<Toleration> tolerations{};
  std::vector<NearRule> near{};
  std::vector<std::string> excluded{};  // servers that have just refused it

  AppProfile profile = AppProfile::OfClass(AppClass::kInteractive);

  // A session that runs already: where it is, so that it is moved only for a reason. Its own
  // promises must not be in the view.
  std::optional<uint32_t> current_server;

  // The quota's verdict, which somebody else has to give: a sentence if it says no.
  std::string quota_refusal{};

  uint64_t MemoryLimit() const {
    return memory_limit_bytes > memory_bytes ? memory_limit_bytes : memory_bytes;
  }

  uint32_t GuaranteedShare() const { return best_effort ? 0 : share; }
};

// As sentences call it.
inline std::string Named(const Request& request) {
  return request.id.empty() ? "the request" : "request " + request.id;
}

}  // namespace farlane::pool
