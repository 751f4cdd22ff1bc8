// SPDX-License-Identifier: Apache-2.0
// A Grant is what a session has been promised: which devices, and what of each.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pool-manager/placement/isolation.h"

namespace farlane::pool {

struct Grant {
  std::string session{};
  std::string tenant{};
  std::string group{};
  uint32_t share = 0;  // guaranteed, of each device; 0 for best effort
  uint64_t memory_bytes = 0;
  uint64_t memory_limit_bytes = 0;
  Isolation isolation = Isolation::kShared;
  std::vector<uint32_t> devices{};  // indices into ClusterView::devices

  // What it is expected to do, until its servers report what it does.
  double busy = 0;
  double working_set_bytes = 0;
  double bytes_per_s = 0;
};

}  // namespace farlane::pool
