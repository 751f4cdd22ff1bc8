// SPDX-License-Identifier: Apache-2.0
// TenantWorld is a pool in which tenants come, wait, run, give way and leave at random, from a
// seed. It counts for itself what everybody has, and notes each time a rule is broken: so that it
// can be shown that none is, and that some are if a safeguard is taken away.
#pragma once

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "pool-manager/tenancy/preemption.h"
#include "pool-manager/tenancy/wait_queue.h"

namespace farlane::pool {

// Thread: caller's.
class TenantWorld {
 public:
  struct Size {
    size_t orgs = 50;
    size_t projects = 1000;
    size_t hosts = 200;
    size_t devices = 4;
    size_t queue_max = 5000;
  };

  struct Broken {
    uint64_t over_limit = 0;       // somebody was let in beyond a limit
    uint64_t over_device = 0;      // a device was promised twice
    uint64_t below_guarantee = 0;  // somebody lost what he is guaranteed
    uint64_t went_back = 0;        // an eviction did not make the number larger that each must

    uint64_t Sum() const { return over_limit + over_device + below_guarantee + went_back; }
  };

  // Borrows the planner.
  TenantWorld(const EvictionPlanner& planner, uint64_t seed, const Size& size);

  // Something happens: somebody comes or leaves, a quota changes, those who wait are looked at.
  void Step();
  // Those who wait are looked at, `looked_at` of them from the one whose turn is number `from`; how
  // many got in.
  size_t Pass(size_t looked_at, size_t from);
  // Everybody who is evicted waits again, and nobody else comes or leaves: how many passes until
  // nothing happens any more. `most`: it did not end.
  size_t Settle(size_t most);
  // Compares the tree with what the sessions have.
  bool TreeIsRight() const;

  const Broken& broken() const { return broken_; }

  uint64_t admitted() const { return admitted_; }

  uint64_t evicted() const { return evicted_; }

  uint64_t throttled() const { return throttled_; }

  size_t waiting() const { return queue_.size(); }

  size_t running() const { return running_.size(); }

 private:
  struct Session {
    RunningSession running;
    size_t host = 0;
  };

  using Use = std::map<uint32_t, Amount>;  // by tenant

  uint64_t Random(uint64_t below) { return random_() % below; }

  Quota RandomQuota(bool is_org);
  void Come();
  void Leave();
  void ChangeQuota();
  void Wait(const Wanted& wanted);
  bool Place(const std::string& id, const Wanted& wanted);
  void Admit(const std::string& id, const Wanted& wanted, size_t host);
  bool MakeRoom(const std::string& id, const Wanted& wanted);
  void Carry(const EvictionPlan& plan, const std::string& id, const Wanted& wanted, size_t host);
  void End(std::string id);
  HostPicture Picture(size_t host) const;
  Use UseFrom(Priority lowest) const;
  bool IsWithinLimits(const Wanted& wanted) const;
  void Judge(const Use& before, const Use& after, const Wanted& wanted);
  double ShareOf(uint32_t tenant, const Amount& used) const;
  std::vector<double> Shares(const Use& use, const Use& other, uint32_t parent) const;

  const EvictionPlanner& planner_;
  const Size size_;
  std::mt19937_64 random_;
  TenantTree tree_;
  WaitQueue queue_;
  std::vector<uint32_t> projects_;
  std::vector<Tenant> tenants_;
  std::map<std::string, Wanted> wanted_;  // of those who wait
  std::map<std::string, Session> running_;
  std::vector<std::vector<HostDevice>> hosts_;
  std::vector<std::set<std::string>> at_host_;  // sessions
  int64_t now_ms_ = 1'000'000;
  uint64_t next_ = 1;
  uint64_t admitted_ = 0;
  uint64_t evicted_ = 0;
  uint64_t throttled_ = 0;
  bool closed_ = false;
  Broken broken_;
};

}  // namespace farlane::pool
