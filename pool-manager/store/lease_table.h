// SPDX-License-Identifier: Apache-2.0
// LeaseTable knows until when each lease lives. It only counts time, which it is given; whoever
// asks for the expired ones deletes their keys.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace farlane::pool {

// Thread: caller's.
class LeaseTable {
 public:
  // A lease that could not be removed, for want of room say, comes up again after this.
  static constexpr uint64_t kAgainNs = 1'000'000'000;

  void Add(int64_t id, int64_t ttl_s, uint64_t now_ns);

  void Drop(int64_t id) { leases_.erase(id); }

  // Lives: whether keys can be bound to it.
  bool Lives(int64_t id) const;
  // The seconds that it has now; none: it is too late.
  std::optional<int64_t> Renew(int64_t id, uint64_t now_ns);

  // Those whose time is up. From now on they cannot be renewed; each is named again after kAgainNs
  // until it is dropped.
  std::vector<int64_t> TakeExpired(uint64_t now_ns);
  // When TakeExpired has something next.
  std::optional<uint64_t> NextNs() const;

 private:
  struct Life {
    int64_t ttl_s = 0;
    uint64_t ends_ns = 0;
    bool over = false;
  };

  std::map<int64_t, Life> leases_;
};

}  // namespace farlane::pool
