// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/arbiter/policy.h"

#include <algorithm>

namespace farlane::server {
namespace {

bool IsBestEffort(const SessionView& session) {
  return session.priority == Priority::kBestEffort;
}

// Whoever has a turn goes on until its cap is used up; to begin one there must be something left.
bool MayRun(const SessionView& session, bool holds) {
  return session.wants && session.left_ns >= (holds ? 1 : kCapTurnNs);
}

// The one of these with the least virtual time.
template <typename Belongs>
std::optional<size_t> Least(const GpuView& view, Belongs&& belongs) {
  std::optional<size_t> least;
  for (size_t i = 0; i < view.sessions.size(); ++i) {
    if (MayHaveTurn(view, i) && belongs(view.sessions[i]) &&
        (!least.has_value() || view.sessions[i].virtual_ns < view.sessions[*least].virtual_ns)) {
      least = i;
    }
  }
  return least;
}

bool OthersWait(const GpuView& view, size_t but) {
  for (size_t i = 0; i < view.sessions.size(); ++i) {
    if (i != but && MayHaveTurn(view, i)) {
      return true;
    }
  }
  return false;
}

// As long as it takes the session to have had as much as the next one, and a turn more.
uint64_t CreditOf(const GpuView& view, size_t chosen, bool for_floor) {
  const SessionView& session = view.sessions[chosen];
  int64_t next_ns = INT64_MAX;
  bool others = false;
  for (size_t i = 0; i < view.sessions.size(); ++i) {
    if (i == chosen || !MayHaveTurn(view, i)) {
      continue;
    }
    others = true;
    if (IsBestEffort(view.sessions[i]) == IsBestEffort(session)) {
      next_ns = std::min(next_ns, view.sessions[i].virtual_ns);
    }
  }
  const auto cap_ns = static_cast<uint64_t>(std::max<int64_t>(session.left_ns, 1));
  if (for_floor) {
    return std::min(static_cast<uint64_t>(kFloorTurnNs), cap_ns);
  }
  if (!others) {
    return session.left_ns == INT64_MAX ? UINT64_MAX : cap_ns;
  }
  uint64_t credit_ns = kTurnNsMax;
  if (next_ns != INT64_MAX) {
    const auto ahead_ns = static_cast<__int128>(next_ns - session.virtual_ns) *
                          static_cast<__int128>(session.weight) / kWholeShare;
    credit_ns =
        static_cast<uint64_t>(std::clamp<__int128>(ahead_ns + kTurnNsMin, kTurnNsMin, kTurnNsMax));
  }
  return std::min(credit_ns, cap_ns);
}

TurnDecision Give(const GpuView& view, size_t chosen, bool for_floor = false) {
  return {.kind = TurnDecision::Kind::kGive,
          .session = chosen,
          .credit_ns = CreditOf(view, chosen, for_floor),
          .others = OthersWait(view, chosen)};
}

// Whether somebody who has just come goes before whoever has the turn. A higher class does; but of
// those who have a share of their own, only with what is its due.
bool GoesBefore(const SessionView& newcomer, const SessionView& holder) {
  return newcomer.woken && newcomer.priority > holder.priority &&
         (IsBestEffort(holder) || newcomer.virtual_ns <= holder.virtual_ns);
}

std::optional<size_t> WhoGoesBefore(const GpuView& view) {
  const SessionView& holder = view.sessions[*view.holder];
  std::optional<size_t> first;
  for (size_t i = 0; i < view.sessions.size(); ++i) {
    const SessionView& session = view.sessions[i];
    if (i != *view.holder && MayHaveTurn(view, i) && GoesBefore(session, holder) &&
        (!first.has_value() || session.priority > view.sessions[*first].priority)) {
      first = i;
    }
  }
  return first;
}

}  // namespace

bool MayHaveTurn(const GpuView& view, size_t session) {
  return MayRun(view.sessions[session], view.holder == session && !view.turn_is_over);
}

TurnDecision Decide(const GpuView& view) {
  if (view.holder.has_value() && !view.turn_is_over && MayHaveTurn(view, *view.holder)) {
    if (const std::optional<size_t> first = WhoGoesBefore(view)) {
      return Give(view, *first);
    }
    return {.kind = TurnDecision::Kind::kKeep,
            .session = *view.holder,
            .credit_ns = CreditOf(view, *view.holder, false),
            .others = OthersWait(view, *view.holder)};
  }
  const auto best_effort = Least(view, IsBestEffort);
  if (best_effort.has_value() && view.owed_ns >= kFloorTurnNs) {
    return Give(view, *best_effort, true);
  }
  const auto with_share = Least(view, [](const SessionView& one) { return !IsBestEffort(one); });
  if (with_share.has_value()) {
    return Give(view, *with_share);
  }
  if (best_effort.has_value()) {
    return Give(view, *best_effort);
  }
  const bool holder_is_idle = view.holder.has_value() && !view.sessions[*view.holder].wants;
  return {.kind = holder_is_idle ? TurnDecision::Kind::kKeep : TurnDecision::Kind::kNobody,
          .session = view.holder.value_or(0),
          .credit_ns = UINT64_MAX};
}

}  // namespace farlane::server
