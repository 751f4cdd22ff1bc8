// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/arbiter/policy_answer.h"

#include <algorithm>

namespace farlane::server {
namespace {

static_assert(static_cast<int>(Priority::kBestEffort) == FARLANE_POLICY_BEST_EFFORT &&
              static_cast<int>(Priority::kStandard) == FARLANE_POLICY_STANDARD &&
              static_cast<int>(Priority::kGuaranteed) == FARLANE_POLICY_GUARANTEED);

Status Wrong(const std::string& what) {
  return Status(StatusCode::kCorrupt, what);
}

std::string PlaceText(const GpuView& view, size_t place) {
  return "the session at place " + std::to_string(place) + " of " +
         std::to_string(view.sessions.size());
}

bool OthersMayRun(const GpuView& view, size_t but) {
  for (size_t i = 0; i < view.sessions.size(); ++i) {
    if (i != but && MayHaveTurn(view, i)) {
      return true;
    }
  }
  return false;
}

// Whose turn it is from now on.
Result<size_t> CheckWho(const GpuView& view, const farlane_policy_decision& answer) {
  if (answer.verdict == FARLANE_POLICY_GIVE) {
    if (answer.session >= view.sessions.size()) {
      return Wrong("gives a turn to " + PlaceText(view, answer.session));
    }
    if (!MayHaveTurn(view, answer.session)) {
      return Wrong("gives a turn to " + PlaceText(view, answer.session) + ", which may not run");
    }
    return size_t{answer.session};
  }
  if (answer.verdict != FARLANE_POLICY_KEEP) {
    return Wrong("says " + std::to_string(answer.verdict) + ", which is no verdict");
  }
  if (!view.holder.has_value()) {
    return Wrong("keeps a turn that nobody has");
  }
  if (view.turn_is_over) {
    return Wrong("keeps a turn that is over");
  }
  if (!MayHaveTurn(view, *view.holder)) {
    return Wrong("keeps the turn of " + PlaceText(view, *view.holder) + ", which may not run");
  }
  return *view.holder;
}

// The built-in policy knows the view in its own shape.
void DecideBuiltIn(const farlane_policy_view* shown, farlane_policy_decision* answer) {
  std::vector<SessionView> sessions(shown->sessions_count);
  for (uint32_t i = 0; i < shown->sessions_count; ++i) {
    const farlane_policy_session& one = *farlane_policy_session_at(shown, i);
    sessions[i] = {.priority = static_cast<Priority>(one.priority),
                   .weight = one.weight,
                   .virtual_ns = one.virtual_ns,
                   .wants = (one.flags & FARLANE_POLICY_WANTS) != 0,
                   .woken = (one.flags & FARLANE_POLICY_WOKEN) != 0,
                   .left_ns = one.left_ns,
                   .session = one.session,
                   .used_ns = one.used_ns,
                   .waits_ns = one.waits_ns};
  }
  GpuView view{.sessions = sessions,
               .holder = {},
               .turn_is_over = shown->turn_is_over != 0,
               .owed_ns = shown->owed_ns,
               .device = shown->device};
  if (shown->holder != FARLANE_POLICY_NONE) {
    view.holder = shown->holder;
  }
  const TurnDecision decision = Decide(view);
  answer->verdict =
      decision.kind == TurnDecision::Kind::kKeep ? FARLANE_POLICY_KEEP : FARLANE_POLICY_GIVE;
  answer->session = static_cast<uint32_t>(decision.session);
  answer->credit_ns = decision.credit_ns;
}

}  // namespace

const farlane_policy kBuiltInPolicy = {
    .policy_bytes = sizeof(farlane_policy),
    .needs_minor = 0,
    .name = "built-in",
    .description = "Least virtual time first, by class: shares of measured GPU time.",
    .decide = DecideBuiltIn,
};

bool AnybodyMayRun(const GpuView& view) {
  return OthersMayRun(view, view.sessions.size());
}

farlane_policy_view ShowToPolicy(const GpuView& view,
                                 std::vector<farlane_policy_session>* sessions) {
  sessions->resize(view.sessions.size());
  for (size_t i = 0; i < view.sessions.size(); ++i) {
    const SessionView& one = view.sessions[i];
    (*sessions)[i] = {.session = one.session,
                      .priority = static_cast<uint32_t>(one.priority),
                      .flags = (one.wants ? FARLANE_POLICY_WANTS : 0) |
                               (one.woken ? FARLANE_POLICY_WOKEN : 0) |
                               (MayHaveTurn(view, i) ? FARLANE_POLICY_MAY_RUN : 0),
                      .weight = one.weight,
                      .virtual_ns = one.virtual_ns,
                      .left_ns = one.left_ns,
                      .used_ns = one.used_ns,
                      .waits_ns = one.waits_ns};
  }
  return {
      .view_bytes = sizeof(farlane_policy_view),
      .session_bytes = sizeof(farlane_policy_session),
      .device = static_cast<uint32_t>(view.device),
      .sessions_count = static_cast<uint32_t>(view.sessions.size()),
      .sessions = sessions->data(),
      .holder = view.holder.has_value() ? static_cast<uint32_t>(*view.holder) : FARLANE_POLICY_NONE,
      .turn_is_over = view.turn_is_over ? 1u : 0u,
      .owed_ns = view.owed_ns};
}

Result<TurnDecision> CheckAnswer(const GpuView& view, const farlane_policy_decision& answer) {
  FARLANE_ASSIGN(const size_t who, CheckWho(view, answer));
  const bool others = OthersMayRun(view, who);
  const int64_t left_ns = view.sessions[who].left_ns;
  const auto cap_ns = left_ns == INT64_MAX ? UINT64_MAX : static_cast<uint64_t>(left_ns);
  if (answer.credit_ns < std::min<uint64_t>(FARLANE_POLICY_CREDIT_NS_MIN, cap_ns)) {
    return Wrong("lets " + PlaceText(view, who) + " use " + std::to_string(answer.credit_ns) +
                 " ns, less than a turn is worth");
  }
  if (others && answer.credit_ns > FARLANE_POLICY_CREDIT_NS_MAX) {
    return Wrong("lets " + PlaceText(view, who) + " use " + std::to_string(answer.credit_ns) +
                 " ns while others wait, more than a turn may be");
  }
  return TurnDecision{.kind = answer.verdict == FARLANE_POLICY_KEEP ? TurnDecision::Kind::kKeep
                                                                    : TurnDecision::Kind::kGive,
                      .session = who,
                      .credit_ns = std::min(answer.credit_ns, cap_ns),
                      .others = others};
}

}  // namespace farlane::server
