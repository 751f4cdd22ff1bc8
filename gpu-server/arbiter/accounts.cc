// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/arbiter/accounts.h"

#include <algorithm>

namespace farlane::server {
namespace {

// What so much use of the GPU is in virtual time.
int64_t Virtual(int64_t used_ns, uint64_t weight) {
  return static_cast<int64_t>(static_cast<__int128>(used_ns) * kWholeShare /
                              static_cast<__int128>(weight));
}

int64_t PartOf(uint64_t ns, uint32_t share) {
  return static_cast<int64_t>(static_cast<unsigned __int128>(ns) * share / kWholeShare);
}

}  // namespace

int64_t ShareAccounts::BurstOf(const SliceRequest& slice) {
  return std::clamp(PartOf(kCapBurstNs, slice.share_limit), 2 * kCapTurnNs, kCapBurstNsMax);
}

// Who asked for a share has that weight. The others divide what is left among them.
void ShareAccounts::SetWeights() {
  uint64_t asked = 0;
  uint64_t others[2] = {};
  for (const auto& [session, account] : accounts_) {
    asked += IsBestEffort(account) ? 0 : account.slice.share;
    others[IsBestEffort(account) ? 1 : 0] += account.slice.share == 0 ? 1 : 0;
  }
  const uint64_t left = kWholeShare - std::min<uint64_t>(asked, kWholeShare);
  for (auto& [session, account] : accounts_) {
    const bool best_effort = IsBestEffort(account);
    const uint64_t equal =
        (best_effort ? kWholeShare : left) / std::max<uint64_t>(others[best_effort ? 1 : 0], 1);
    account.weight = account.slice.share != 0 ? account.slice.share : std::max(equal, kWeightMin);
  }
}

void ShareAccounts::Enter(Session session, const SliceRequest& slice, uint64_t now_ns) {
  Advance(now_ns);
  Account& account = accounts_[session];
  account.slice = slice;
  account.left_ns = BurstOf(slice);
  KeepClock(IsBestEffort(account));
  account.virtual_ns = clocks_[IsBestEffort(account) ? 1 : 0];
  SetWeights();
}

void ShareAccounts::Leave(Session session) {
  accounts_.erase(session);
  SetWeights();
}

void ShareAccounts::Resize(Session session, const SliceRequest& slice, uint64_t now_ns) {
  Advance(now_ns);
  Account& account = accounts_.at(session);
  const bool was_best_effort = IsBestEffort(account);
  account.slice = slice;
  account.left_ns = std::min(account.left_ns, BurstOf(slice));
  if (was_best_effort != IsBestEffort(account)) {
    KeepClock(!was_best_effort);
    account.virtual_ns = clocks_[was_best_effort ? 0 : 1];
  }
  SetWeights();
}

// How far those are that have work and may do it; where nobody does, how far they came.
int64_t ShareAccounts::ClockOf(bool best_effort) const {
  int64_t least_ns = INT64_MAX;
  for (const auto& [session, account] : accounts_) {
    if (account.wants && !IsCapped(account) && IsBestEffort(account) == best_effort) {
      least_ns = std::min(least_ns, account.virtual_ns);
    }
  }
  return least_ns == INT64_MAX ? clocks_[best_effort ? 1 : 0] : least_ns;
}

void ShareAccounts::KeepClock(bool best_effort) {
  int64_t& clock = clocks_[best_effort ? 1 : 0];
  clock = std::max(clock, ClockOf(best_effort));
}

// What its cap keeps from a session is not saved up: it would be behind all others, and whoever
// comes would begin there.
void ShareAccounts::CatchUp() {
  for (auto& [session, account] : accounts_) {
    if (account.wants && IsCapped(account)) {
      account.virtual_ns = std::max(account.virtual_ns, BeginOf(account));
    }
  }
}

// Not by how far the others are now: of several that come, the first one would be among them.
int64_t ShareAccounts::BeginOf(const Account& account) const {
  const int64_t saved_ns = std::min(Virtual(kDeficitNs, account.weight), kSavedNsMax);
  return clocks_[IsBestEffort(account) ? 1 : 0] - saved_ns;
}

void ShareAccounts::Charge(Session session, uint64_t used_ns) {
  const auto found = accounts_.find(session);
  if (found == accounts_.end() || used_ns == 0) {
    return;
  }
  found->second.used_ns += used_ns;
  Book(found->second, static_cast<int64_t>(used_ns));
  KeepClock(IsBestEffort(found->second));
}

void ShareAccounts::Refund(Session session, uint64_t used_ns) {
  const auto found = accounts_.find(session);
  if (found == accounts_.end() || used_ns == 0) {
    return;
  }
  found->second.used_ns -= std::min(used_ns, found->second.used_ns);
  Book(found->second, -static_cast<int64_t>(used_ns));
}

void ShareAccounts::Book(Account& account, int64_t used_ns) {
  account.virtual_ns += Virtual(used_ns, account.weight);
  if (account.slice.share_limit != 0) {
    account.left_ns = std::min(account.left_ns - used_ns, BurstOf(account.slice));
  }
  const bool somebody_waits = std::any_of(accounts_.begin(), accounts_.end(), [](const auto& one) {
    return one.second.wants && IsBestEffort(one.second);
  });
  if (IsBestEffort(account)) {
    owed_ns_ -= used_ns - used_ns / kFloorParts;
  } else if (somebody_waits) {
    owed_ns_ += used_ns / kFloorParts;
  }
  owed_ns_ = std::clamp(owed_ns_, -kDeficitNs, kDeficitNs);
}

bool ShareAccounts::NoteWants(Session session, bool wants) {
  const auto found = accounts_.find(session);
  if (found == accounts_.end() || found->second.wants == wants) {
    return false;
  }
  Account& account = found->second;
  KeepClock(IsBestEffort(account));
  if (wants) {
    account.virtual_ns = std::max(account.virtual_ns, BeginOf(account));
  }
  account.wants = wants;
  account.woken = wants;
  account.waits_from_ns = now_ns_;
  return true;
}

void ShareAccounts::NoteTurn(Session session) {
  for (auto& [other, account] : accounts_) {
    account.woken = false;
  }
  accounts_.at(session).waits_from_ns = now_ns_;
}

void ShareAccounts::Advance(uint64_t now_ns) {
  const uint64_t passed_ns = now_ns_ == 0 || now_ns < now_ns_ ? 0 : now_ns - now_ns_;
  now_ns_ = now_ns;
  for (auto& [session, account] : accounts_) {
    if (account.slice.share_limit != 0) {
      account.left_ns = std::min(account.left_ns + PartOf(passed_ns, account.slice.share_limit),
                                 BurstOf(account.slice));
    }
  }
  CatchUp();
}

std::vector<SessionView> ShareAccounts::Views() const {
  std::vector<SessionView> views;
  views.reserve(accounts_.size());
  for (const auto& [session, account] : accounts_) {
    const Priority priority =
        account.slice.priority == Priority::kUnset ? Priority::kStandard : account.slice.priority;
    views.push_back({.priority = priority,
                     .weight = account.weight,
                     .virtual_ns = account.virtual_ns,
                     .wants = account.wants,
                     .woken = account.woken,
                     .left_ns = account.slice.share_limit == 0 ? INT64_MAX : account.left_ns,
                     .session = session,
                     .used_ns = account.used_ns,
                     .waits_ns = account.wants ? now_ns_ - account.waits_from_ns : 0});
  }
  return views;
}

std::vector<ShareAccounts::Session> ShareAccounts::sessions() const {
  std::vector<Session> all;
  for (const auto& [session, account] : accounts_) {
    all.push_back(session);
  }
  return all;
}

uint64_t ShareAccounts::NextTime() const {
  uint64_t next_ns = UINT64_MAX;
  for (const auto& [session, account] : accounts_) {
    if (!account.wants || account.slice.share_limit == 0 || account.left_ns >= kCapTurnNs) {
      continue;
    }
    const auto missing = static_cast<unsigned __int128>(kCapTurnNs - account.left_ns);
    const auto wait_ns =
        static_cast<uint64_t>(missing * kWholeShare / account.slice.share_limit) + 1;
    next_ns = std::min(next_ns, now_ns_ + wait_ns);
  }
  return next_ns;
}

}  // namespace farlane::server
