// SPDX-License-Identifier: Apache-2.0
// Demands is what each session has lately asked of one GPU, and what follows from it: who asks for
// so little that it may work at once beside whoever has a turn, and who needs turns of its own.
//
// A session is light until it proves to be more: turns cost everybody the time of their changes,
// and are worth it only where somebody would else have more than its share at another's cost. All
// times are given: the same calls give the same answers.
//
// What counts here is what work would take on a device that does nothing else. What it took beside
// others' work is longer, the longer the less each of them asks for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "protocol/base/slice.h"

namespace farlane::server {

// Thread: one at a time (the daemon's main thread).
class Demands {
 public:
  using Session = uint64_t;

  // What was asked for is judged so often.
  static constexpr uint64_t kSpanNs = 20'000'000;
  // Who has asked for nothing for so long is not there, for the others.
  static constexpr uint64_t kActiveNs = 100'000'000;
  // Somebody has work waiting for most of its time if so many parts of it were done while more
  // waited.
  static constexpr uint64_t kDeepParts = 4;
  // ... and not any more after so many spans in which that was not so.
  static constexpr uint32_t kShallowSpans = 3;
  // Whoever waits after every command is not light if they take so long, and the device little
  // else.
  static constexpr uint64_t kLongNs = 500'000;
  // In percent of a span: above the first the device is busy, and it is until below the second.
  static constexpr uint64_t kBusyPercent = 90;
  static constexpr uint64_t kQuietPercent = 60;
  // A command that has not ended after so many spans is not taken for a short one any more.
  static constexpr uint32_t kEndlessSpans = 5;
  // A light session may be ahead of its share by what it is due in so long, between these.
  static constexpr uint64_t kCreditSpanNs = 100'000'000;
  static constexpr int64_t kCreditNsMin = 1'000'000;
  static constexpr int64_t kCreditNsMax = 20'000'000;
  // ... and pays back no more than what it is due in so long.
  static constexpr uint64_t kDebtSpanNs = 1'000'000'000;

  struct Work {
    uint64_t asked_ns = 0;  // what was done
    uint64_t deep_ns = 0;   // ... while more waited
    uint64_t commands = 0;
    bool wants = false;
    bool in_flight = false;
  };

  void Enter(Session session, const SliceRequest& slice);
  void Leave(Session session);
  void Resize(Session session, const SliceRequest& slice);
  // What the session's part would be if all were there.
  void SetWeight(Session session, uint64_t weight);

  // Sessions have done so much more.
  void Note(Session session, const Work& more);
  // The clock goes on, and everybody is judged. Who was light and is not any more, in their order.
  std::vector<Session> Advance(uint64_t now_ns);

  bool IsLight(Session session) const { return demands_.at(session).light; }

  // How much a light one may use before it is looked at again.
  uint64_t CreditOf(Session session) const;

  // What a session that is not light any more has had as a light one, of late; asked once, since
  // what it has from then on is charged as it comes.
  uint64_t TakeDebt(Session session);

  // Whether anybody else works, or did so a moment ago.
  bool OthersWork(Session session) const;

  // ... and needs turns.
  bool OthersNeedTurns(Session session) const { return OthersNeedTurns(demands_.at(session)); }

  // When to advance though nothing happens; UINT64_MAX: no need.
  uint64_t NextTime() const { return active_ == 0 ? UINT64_MAX : span_began_ns_ + kSpanNs; }

 private:
  struct Demand {
    SliceRequest slice{};
    uint64_t weight = kWholeShare;
    Work span{};                 // since it began
    uint64_t light_ns = 0;       // of what it asked for in this span, what it had as a light one
    uint64_t last_light_ns = 0;  // in the span before
    uint64_t active_ns = 0;      // when it asked for something last; 0: never
    bool asks = false;           // ... since the clock went on
    int64_t credit_ns = kCreditNsMax;
    uint32_t endless_spans = 0;
    uint32_t shallow_spans = kShallowSpans;
    bool deep = false;
    bool lengthy = false;
    bool light = true;
  };

  bool IsActive(const Demand& one) const {
    return one.active_ns != 0 && now_ns_ - one.active_ns < kActiveNs;
  }

  static Priority ClassOf(const Demand& one);
  static bool NeedsTurns(const Demand& one);
  static bool IsDeep(Demand& one);
  uint64_t DueOf(const Demand& one, uint64_t span_ns) const;
  bool OthersNeedTurns(const Demand& but) const;
  void Count();
  void EndSpan();
  void Fill(uint64_t passed_ns);
  bool MayBeLight(const Demand& one) const;

  std::map<Session, Demand> demands_;
  // Of those that work, or did so a moment ago.
  uint64_t active_weight_ = 0;
  size_t active_ = 0;
  size_t needing_ = 0;     // turns
  bool scrubbed_ = false;  // somebody is kept apart from the others, whether it works or not
  Priority lowest_needing_ = Priority::kGuaranteed;
  uint64_t span_began_ns_ = 0;
  uint64_t now_ns_ = 0;
  bool busy_ = false;
};

}  // namespace farlane::server
