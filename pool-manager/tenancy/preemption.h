// SPDX-License-Identifier: Apache-2.0
// EvictionPlanner finds what others on a host would have to give up so that somebody who waits can
// come: shares of theirs, or sessions. It says so only if it may be.
//
// Sessions that may be taken from:
//   - those of a lower class, if they are of the same project, are best effort, or are more than
//     what their project is guaranteed;
//   - of the same class, those of another project that are more than it is guaranteed, if whoever
//     wants to come is guaranteed what he wants, or has less of the pool afterwards than it has.
// Who gives up something is never left with less than he is guaranteed. All of it is judged for the
// victims that are chosen in the end, together: what was true of each one alone need not be true of
// them. Each of these rules makes one and the same number larger (docs/tenants.md), which is why
// two tenants cannot go on taking from each other.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "pool-manager/tenancy/amount.h"
#include "pool-manager/tenancy/tenant_tree.h"

namespace farlane::pool {

struct HostDevice {
  uint64_t share_free = 0;
  uint64_t memory_free = 0;
  uint32_t sessions = 0;
  bool usable = true;  // healthy, of the right kind
};

struct RunningSession {
  std::string id{};
  uint32_t project = 0;
  Priority priority = Priority::kStandard;
  uint64_t share = 0;  // of each of its devices
  uint64_t memory = 0;
  Amount amount{};                  // that its project is charged with
  std::vector<uint32_t> devices{};  // of the host
  int64_t started_ms = 0;
  int64_t ends_ms = 0;       // at the latest; 0: nobody knows
  uint64_t share_least = 0;  // it goes on with this much of each device, slower
};

struct HostPicture {
  std::string id{};
  std::vector<HostDevice> devices{};
  std::vector<RunningSession> sessions{};
};

struct Wanted {
  uint32_t project = 0;
  Priority priority = Priority::kStandard;
  Amount amount{};
  uint32_t devices = 1;
  uint64_t share = 0;
  uint64_t memory = 0;
  bool alone = false;  // nobody else on its devices
};

struct EvictionStep {
  std::string session{};
  bool ends = true;  // if not: it goes on with `share` of each device
  uint64_t share = 0;

  bool operator==(const EvictionStep&) const = default;
};

struct EvictionPlan {
  std::string host{};
  std::vector<EvictionStep> steps{};
};

// Thread: caller's; it does not change.
class EvictionPlanner {
 public:
  // Nobody is taken from who has run for less than this.
  static constexpr int64_t kMinRuntimeMs = 60'000;

  EvictionPlanner() = default;
  virtual ~EvictionPlanner() = default;

  // Throttles if that does, else ends. The tree is as before when this returns.
  std::optional<EvictionPlan> Plan(TenantTree& tenants,
                                   const Wanted& wanted,
                                   const HostPicture& host,
                                   int64_t now_ms) const;

 protected:
  // What a session gives up.
  struct Victim {
    const RunningSession* session = nullptr;
    uint64_t share_left = 0;
    bool ends = true;

    Amount Lost() const;
  };

  // Whether all of it may be, for these victims and no others: nobody is over a limit then, and
  // each may be taken from.
  virtual bool Stands(TenantTree& tenants,
                      const Wanted& wanted,
                      const std::vector<Victim>& victims) const;

 private:
  static bool MayBeTaken(TenantTree& tenants,
                         const Wanted& wanted,
                         const std::vector<Victim>& victims);
  static bool IsAllowed(TenantTree& tenants,
                        const Wanted& wanted,
                        const std::vector<Victim>& victims);
  static bool FitsWithout(const Wanted& wanted,
                          const HostPicture& host,
                          const std::vector<Victim>& victims);
  // Without those that are not needed.
  static std::vector<Victim> Pruned(
      std::vector<Victim> victims, const std::function<bool(const std::vector<Victim>&)>& do_these);
  static std::vector<Victim> Eased(const Wanted& wanted,
                                   const HostPicture& host,
                                   std::vector<Victim> victims);
  std::optional<EvictionPlan> Try(TenantTree& tenants,
                                  const Wanted& wanted,
                                  const HostPicture& host,
                                  const std::vector<Victim>& candidates) const;
};

// Whether there is room for it on the host, without anybody's giving up anything.
bool HasRoom(const Wanted& wanted, const HostPicture& host);

}  // namespace farlane::pool
