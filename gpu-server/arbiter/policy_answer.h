// SPDX-License-Identifier: Apache-2.0
// A policy behind the C interface is shown a GPU and answers; what it says is checked here before
// anybody acts on it (arbiter/plugin/farlane_policy.h has the rules).
#pragma once

#include <vector>

#include "gpu-server/arbiter/plugin/farlane_policy.h"
#include "gpu-server/arbiter/policy.h"
#include "protocol/base/result.h"

namespace farlane::server {

// Whether there is anything to ask a policy about.
bool AnybodyMayRun(const GpuView& view);

// The view as the C interface has it; the sessions come to lie in `sessions`.
farlane_policy_view ShowToPolicy(const GpuView& view,
                                 std::vector<farlane_policy_session>* sessions);

// What a policy has said of a view in which somebody may run, or what is wrong with it.
Result<TurnDecision> CheckAnswer(const GpuView& view, const farlane_policy_decision& answer);

// The built-in policy, behind the same interface as all others.
extern const farlane_policy kBuiltInPolicy;

}  // namespace farlane::server
