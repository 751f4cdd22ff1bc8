// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/lease_table.h"

#include <algorithm>

namespace farlane::pool {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;

}  // namespace

void LeaseTable::Add(int64_t id, int64_t ttl_s, uint64_t now_ns) {
  leases_[id] = {
      .ttl_s = ttl_s, .ends_ns = now_ns + static_cast<uint64_t>(ttl_s) * kSecondNs, .over = false};
}

bool LeaseTable::Lives(int64_t id) const {
  const auto found = leases_.find(id);
  return found != leases_.end() && !found->second.over;
}

std::optional<int64_t> LeaseTable::Renew(int64_t id, uint64_t now_ns) {
  const auto found = leases_.find(id);
  if (found == leases_.end() || found->second.over || now_ns >= found->second.ends_ns) {
    return std::nullopt;
  }
  found->second.ends_ns = now_ns + static_cast<uint64_t>(found->second.ttl_s) * kSecondNs;
  return found->second.ttl_s;
}

std::vector<int64_t> LeaseTable::TakeExpired(uint64_t now_ns) {
  std::vector<int64_t> expired;
  for (auto& [id, life] : leases_) {
    if (now_ns >= life.ends_ns) {
      life.over = true;
      life.ends_ns = now_ns + kAgainNs;
      expired.push_back(id);
    }
  }
  return expired;
}

std::optional<uint64_t> LeaseTable::NextNs() const {
  std::optional<uint64_t> next;
  for (const auto& [id, life] : leases_) {
    next = next ? std::min(*next, life.ends_ns) : life.ends_ns;
  }
  return next;
}

}  // namespace farlane::pool
