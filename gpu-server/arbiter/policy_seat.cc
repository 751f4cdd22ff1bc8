// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/arbiter/policy_seat.h"

#include "gpu-server/arbiter/policy_answer.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/thread_use.h"

namespace farlane::server {
namespace {

// Where nobody may run there is nothing to choose.
TurnDecision NobodyRuns(const GpuView& view) {
  const bool holder_is_idle = view.holder.has_value() && !view.sessions[*view.holder].wants;
  return {.kind = holder_is_idle ? TurnDecision::Kind::kKeep : TurnDecision::Kind::kNobody,
          .session = view.holder.value_or(0),
          .credit_ns = UINT64_MAX};
}

}  // namespace

PolicySeat::PolicySeat() : policy_(&kBuiltInPolicy) {}

bool PolicySeat::is_built_in() const {
  return policy_ == &kBuiltInPolicy;
}

// A busy machine may stop us in the middle. That is no fault of the policy's: it is slow only if it
// has used the time itself, or has waited for something.
farlane_policy_decision PolicySeat::Ask(const farlane_policy_view& view) {
  farlane_policy_decision answer{};
  const ThreadUse before = ThreadUse::Now();
  const uint64_t began_ns = NowNs();
  policy_->decide(&view, &answer);
  if (NowNs() - began_ns > FARLANE_POLICY_DECIDE_NS_MAX) {
    const ThreadUse after = ThreadUse::Now();
    const bool itself = after.cpu_ns - before.cpu_ns > FARLANE_POLICY_DECIDE_NS_MAX;
    slow_ += itself || after.waits != before.waits ? 1 : 0;
  }
  return answer;
}

void PolicySeat::Dismiss(const std::string& why) {
  dismissal_ = std::string("the policy \"") + policy_->name + "\" " + why;
  LogWarn("%s; the built-in policy decides from now on", dismissal_.c_str());
  policy_ = &kBuiltInPolicy;
}

TurnDecision PolicySeat::Decide(const GpuView& view) {
  if (!AnybodyMayRun(view)) {
    return NobodyRuns(view);
  }
  const farlane_policy_view shown = ShowToPolicy(view, &shown_);
  if (!is_built_in()) {
    Result<TurnDecision> decision = CheckAnswer(view, Ask(shown));
    if (decision.has_value() && slow_ < kSlowMax) {
      return decision.value();
    }
    Dismiss(decision.has_value() ? "took more than a millisecond to decide, three times"
                                 : decision.error().message());
    // It may have written to what it was shown.
    return Decide(view);
  }
  farlane_policy_decision answer{};
  policy_->decide(&shown, &answer);
  const Result<TurnDecision> decision = CheckAnswer(view, answer);
  // A mistake of ours, which must not stop the device.
  return decision.has_value() ? decision.value() : server::Decide(view);
}

}  // namespace farlane::server
