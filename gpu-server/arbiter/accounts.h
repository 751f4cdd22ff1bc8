// SPDX-License-Identifier: Apache-2.0
// ShareAccounts is what each session has used of one GPU's time, and what follows from it for the
// next decision: virtual times, what caps still allow, and what the best-effort sessions are owed.
// All times are given: the same calls give the same accounts.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "gpu-server/arbiter/policy.h"

namespace farlane::server {

// Thread: one at a time (the daemon's main thread).
class ShareAccounts {
 public:
  // Whoever had nothing to do may catch up on so much of what it did not use, and no more.
  static constexpr int64_t kDeficitNs = 20'000'000;
  // ... nor on what would have been its due in so long.
  static constexpr int64_t kSavedNsMax = 200'000'000;
  // What a cap lets somebody save up, as time of the clock; and of the device at most. With a
  // command of so long that is begun just before the cap is used up, that is a hundredth of a
  // second: in no second is more of the device used.
  static constexpr uint64_t kCapBurstNs = 50'000'000;
  static constexpr int64_t kCapBurstNsMax = 5'000'000;
  // Of what others use while they wait, the best-effort sessions are owed a twentieth.
  static constexpr int64_t kFloorParts = 20;
  // Whoever asked for no share has an equal part of what is not promised, but never less.
  static constexpr uint64_t kWeightMin = kWholeShare / 100;

  using Session = uint64_t;

  void Enter(Session session, const SliceRequest& slice, uint64_t now_ns);
  void Leave(Session session);
  // Other numbers, from the next decision on.
  void Resize(Session session, const SliceRequest& slice, uint64_t now_ns);

  bool Has(Session session) const { return accounts_.contains(session); }

  // The session has used so much more.
  void Charge(Session session, uint64_t used_ns);
  // ... and not so much of what it was charged for.
  void Refund(Session session, uint64_t used_ns);
  // Whether it has work. One that had none goes on where the others are. True when that is new.
  bool NoteWants(Session session, bool wants);
  // A turn of the session's has begun: who wants now does not come anew.
  void NoteTurn(Session session);
  // The clock goes on, and caps fill.
  void Advance(uint64_t now_ns);

  // What the policy is to see, in the order of sessions().
  std::vector<SessionView> Views() const;
  std::vector<Session> sessions() const;

  int64_t owed_ns() const { return owed_ns_; }

  uint64_t used_ns(Session session) const { return accounts_.at(session).used_ns; }

  // When a cap will have filled so far that somebody who waits for it can go on; UINT64_MAX: nobody
  // waits.
  uint64_t NextTime() const;

 private:
  struct Account {
    SliceRequest slice{};
    uint64_t weight = 0;
    int64_t virtual_ns = 0;
    int64_t left_ns = 0;  // of the cap
    uint64_t used_ns = 0;
    uint64_t waits_from_ns = 0;  // on the clock
    bool wants = false;
    bool woken = false;
  };

  static bool IsBestEffort(const Account& account) {
    return account.slice.priority == Priority::kBestEffort;
  }

  // Whether its cap keeps it from a turn now.
  static bool IsCapped(const Account& account) {
    return account.slice.share_limit != 0 && account.left_ns < kCapTurnNs;
  }

  void Book(Account& account, int64_t used_ns);
  static int64_t BurstOf(const SliceRequest& slice);
  void SetWeights();
  int64_t ClockOf(bool best_effort) const;
  void KeepClock(bool best_effort);
  void CatchUp();
  int64_t BeginOf(const Account& account) const;

  std::map<Session, Account> accounts_;
  int64_t clocks_[2] = {};  // of those with a share, and of the best-effort ones: how far they are
  int64_t owed_ns_ = 0;
  uint64_t now_ns_ = 0;
};

}  // namespace farlane::server
