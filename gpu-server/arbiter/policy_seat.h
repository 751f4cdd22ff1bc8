// SPDX-License-Identifier: Apache-2.0
// PolicySeat is where the policy sits that says whose turn it is: the built-in one, or a plug-in.
// Whoever sits there is asked by the same C interface. A plug-in that gives a wrong answer, or is
// too slow, leaves the seat to the built-in policy, and no turn is lost by it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpu-server/arbiter/plugin/farlane_policy.h"
#include "gpu-server/arbiter/policy.h"

namespace farlane::server {

// Thread: one at a time (the daemon's main thread).
class PolicySeat {
 public:
  // So many slow decisions are too many. A page that has to be read, or a machine that was halted,
  // may explain one.
  static constexpr uint32_t kSlowMax = 3;

  // With the built-in policy.
  PolicySeat();

  // With one that has been checked (policy_library.h) and stays where it is.
  explicit PolicySeat(const farlane_policy& policy) : policy_(&policy) {}

  // Always something that can be done.
  TurnDecision Decide(const GpuView& view);

  bool is_built_in() const;

  const char* name() const { return policy_->name; }

  const farlane_policy& policy() const { return *policy_; }

  // Why a plug-in has lost its seat; empty: none has.
  const std::string& dismissal() const { return dismissal_; }

 private:
  farlane_policy_decision Ask(const farlane_policy_view& view);
  void Dismiss(const std::string& why);

  const farlane_policy* policy_;
  uint32_t slow_ = 0;
  std::string dismissal_;
  std::vector<farlane_policy_session> shown_;  // kept, so that a decision allocates nothing
};

}  // namespace farlane::server
