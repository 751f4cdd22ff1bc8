// SPDX-License-Identifier: Apache-2.0
// A DeviceView is one GPU as placement sees it: what it is, what has been promised of it and how
// busy it is. ClusterView keeps the promises; reports of the servers bring the rest.
#pragma once

#include <cstdint>

#include "pool-manager/placement/isolation.h"
#include "protocol/base/slice.h"

namespace farlane::pool {

// What a server says about a device when it registers.
struct DeviceFacts {
  uint64_t memory_bytes = 0;
  uint32_t compute_capability = 0;  // 90: 9.0; 121: 12.1
  uint32_t cuda_version = 0;        // that the driver can do: 13000
  uint16_t sessions_max = 0;        // 0: no limit
  uint16_t peer_group = 0;  // devices of one server with the same number reach each other directly
  IsolationSet offers = kUsualIsolations;
  bool healthy = true;
  bool cordoned = false;
  float speed = 1;           // relative to the pool's reference
  float price_per_hour = 0;  // of the whole device
  float idle_watts = 0;
  float busy_watts = 0;
};

// What it says from then on.
struct DeviceLoad {
  float busy = 0;  // 0 … 1, averaged over some seconds, of all its sessions
  uint64_t working_set_bytes = 0;
};

// The tenant of a device that several have.
inline constexpr uint64_t kManyTenants = UINT64_MAX;

struct DeviceView {
  DeviceFacts facts;
  DeviceLoad load;
  uint16_t model = 0;  // index into ClusterView::models
  uint16_t sessions = 0;
  Isolation held = Isolation::kShared;  // the strictest that a session on it was promised
  uint32_t promised_share = 0;          // millionths, guaranteed
  uint64_t tenant = 0;                  // NameHash of the only one there, 0 or kManyTenants
  uint64_t promised_bytes = 0;          // guaranteed memory
  uint64_t limit_bytes = 0;             // that the sessions may grow to
  float expected_busy = 0;              // of sessions too young to show in the load
  float expected_working_set_bytes = 0;

  float Busy() const { return load.busy + expected_busy; }

  double WorkingSet() const {
    return static_cast<double>(load.working_set_bytes) + expected_working_set_bytes;
  }
};

// Whether those on a device and whoever wants to come put up with each other.
bool MayEnter(const DeviceView& device, Isolation isolation, uint64_t tenant);

}  // namespace farlane::pool
