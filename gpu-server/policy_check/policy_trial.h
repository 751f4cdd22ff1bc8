// SPDX-License-Identifier: Apache-2.0
// PolicyTrial runs a scheduling policy in virtual time and reports what comes of it: who got how
// much, who waited how long, how long a decision takes, and which rules it breaks. The same seed
// gives the same run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "gpu-server/arbiter/accounts.h"
#include "gpu-server/arbiter/policy_seat.h"

namespace farlane::server {

// Thread: caller's.
class PolicyTrial {
 public:
  enum class Scene : uint8_t {
    kEqual,    // all always have work, and asked for nothing
    kWeights,  // all always have work, with shares from 1 to 8 parts
    kMixed,    // all classes, caps, and programs that come and go
  };

  struct Report {
    uint64_t decisions = 0;
    uint64_t changes = 0;       // of turns, from one session to another
    double share_error = 0;     // the largest, of what was due; only where all always have work
    double jain = 0;            // of what sessions got of what was due
    uint64_t wait_ns[4] = {};   // by class: of 100 waits for a turn, 99 were no longer
    uint64_t decide_ns = 0;     // half of the calls took no longer
    uint64_t decide_ns_99 = 0;  // 99 of 100
    std::string fault;          // the rule that was broken; empty: none
  };

  PolicyTrial(const PolicySeat& policy, Scene scene, size_t sessions_count, uint64_t seed);

  Report Run(uint64_t decisions);

 private:
  struct Client {
    ShareAccounts::Session session = 0;
    SliceRequest slice{};
    uint64_t command_ns = 0;  // its commands take about so long
    bool comes_and_goes = false;
    uint64_t changes_ns = 0;  // when it comes or goes next
    uint64_t due = 1;         // its part
    uint64_t used_ns = 0;
  };

  Client MakeClient(Scene scene, size_t i);
  uint64_t Between(uint64_t least, uint64_t most);
  void LetComeAndGo();
  void Step(Report* report);
  void Examine(const GpuView& view, Report* report);
  bool Apply(const TurnDecision& decision, Report* report);
  void RunCommand();
  void Summarize(Report* report);

  PolicySeat seat_;
  std::mt19937_64 random_;
  ShareAccounts accounts_;
  std::vector<Client> clients_;
  uint64_t now_ns_ = 1'000'000'000;
  std::vector<bool> wants_;
  size_t holder_;  // clients_.size(): nobody
  uint64_t credit_ns_ = 0;
  bool turn_is_over_ = false;
  bool all_busy_;
  std::vector<uint64_t> waits_ns_[4];
  std::vector<uint64_t> decides_ns_;
  std::vector<farlane_policy_session> shown_;
};

}  // namespace farlane::server
