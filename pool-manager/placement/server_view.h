// SPDX-License-Identifier: Apache-2.0
// A ServerView is one GPU server as placement sees it. Its devices lie in ClusterView, one after
// the other.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pool-manager/placement/label_rule.h"
#include "pool-manager/placement/transport_set.h"

namespace farlane::pool {

enum class ServerState : uint8_t { kReady, kSuspect, kUnreachable, kLost, kDraining, kGone };

// Where something stands. Names are worth something only inside the one before: rack "7" of one
// zone is not rack "7" of another.
struct Place {
  std::string region{};
  std::string zone{};
  std::string rack{};
  std::string host{};

  bool operator==(const Place&) const = default;
};

// What a server says when it registers, and what its operator says about it.
struct ServerFacts {
  std::string id{};
  std::vector<std::string> pools{};
  std::vector<Label> labels{};
  std::vector<Taint> taints{};
  Place place{};
  TransportSet transports = kTcp | kTls;
  double nic_bytes_per_s = 0;  // 0: unknown
};

struct ServerView {
  ServerState state = ServerState::kReady;
  bool cordoned = false;
  bool worse_place = false;  // it has a taint that does not repel
  TransportSet transports = kTcp | kTls;
  uint32_t domain = 0;  // index into ClusterView::domains
  uint32_t rack = 0;    // equal numbers: the same rack
  uint64_t host = 0;    // NameHash of its host, 0: unknown
  uint32_t device_first = 0;
  uint32_t devices_count = 0;
  uint64_t promised_share = 0;  // of all its devices
  float risk = 0;               // recent failures; decays by the caller's clock
  double nic_bytes_per_s = 0;
  double nic_reported_bytes_per_s = 0;
  double nic_expected_bytes_per_s = 0;  // of sessions too young to show in the report
  uint64_t hash = 0;                    // NameHash of its id
  std::vector<uint64_t> cached{};       // NameHash of programs whose modules or weights lie there
  ServerFacts facts{};
};

}  // namespace farlane::pool
