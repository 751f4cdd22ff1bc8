// SPDX-License-Identifier: Apache-2.0
// A million decisions in virtual time: sessions that come, go, work, rest and are changed by
// chance, on a device that does what it is given. Every decision is judged by rules, and what the
// sessions have had by their weights. The same seed makes the same decisions.
#include "gpu-server/arbiter/policy.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "gpu-server/arbiter/accounts.h"
#include "protocol/base/environment.h"

namespace farlane::server {
namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kLongestNs = 5 * kMs;
constexpr size_t kSessionsMax = 64;

bool IsBestEffort(const SessionView& one) {
  return one.priority == Priority::kBestEffort;
}

bool operator==(const TurnDecision& one, const TurnDecision& other) {
  return one.kind == other.kind && one.session == other.session &&
         one.credit_ns == other.credit_ns && one.others == other.others;
}

class World {
 public:
  explicit World(uint64_t seed) : random_(seed) {}

  // One decision, and what the device does by it. `changes`: sessions may come, go or rest.
  void Step(bool changes) {
    if (changes || views_.empty()) {
      Change();
    }
    views_ = accounts_.Views();
    const GpuView view{.sessions = views_,
                       .holder = holder_,
                       .turn_is_over = !holder_ || used_ns_ >= credit_ns_,
                       .owed_ns = accounts_.owed_ns()};
    const TurnDecision decision = Decide(view);
    Judge(view, decision);
    ++decisions;
    sum =
        sum * 31 + decision.session * 4 + static_cast<uint64_t>(decision.kind) + decision.credit_ns;
    if (decision.kind == TurnDecision::Kind::kNobody) {
      holder_.reset();
    } else if (decision.kind == TurnDecision::Kind::kGive) {
      Give(view, decision);
    }
    Work();
  }

  // Those that have wanted all the time, of whom nobody was held back by a cap, had what was due.
  void JudgeParts(const std::map<uint64_t, uint64_t>& before) {
    double had = 0;
    double weight = 0;
    for (const SessionView& one : accounts_.Views()) {
      if (Counts(one)) {
        had += static_cast<double>(one.used_ns - before.at(one.session));
        weight += static_cast<double>(one.weight);
      }
    }
    for (const SessionView& one : accounts_.Views()) {
      if (Counts(one)) {
        EXPECT_NEAR(static_cast<double>(one.used_ns - before.at(one.session)),
                    had * static_cast<double>(one.weight) / weight,
                    static_cast<double>(2 * ShareAccounts::kDeficitNs))
            << "session " << one.session << " of weight " << one.weight;
      }
    }
  }

  std::map<uint64_t, uint64_t> Used() const {
    std::map<uint64_t, uint64_t> used;
    for (const SessionView& one : accounts_.Views()) {
      used[one.session] = one.used_ns;
    }
    return used;
  }

  uint64_t decisions = 0;
  uint64_t given = 0;
  uint64_t sum = 0;
  uint64_t now_ns = 1'000 * kMs;

 private:
  uint64_t Chance(uint64_t parts) { return random_() % parts; }

  static bool Counts(const SessionView& one) {
    return one.wants && !IsBestEffort(one) && one.left_ns == INT64_MAX;
  }

  SliceRequest AnySlice() {
    SliceRequest slice{};
    slice.share = Chance(2) == 0 ? 0 : static_cast<uint32_t>(kWholeShare / (2 + Chance(100)));
    slice.share_limit = Chance(5) == 0 ? static_cast<uint32_t>(kWholeShare / (2 + Chance(10))) : 0;
    constexpr Priority kClasses[] = {Priority::kGuaranteed, Priority::kStandard,
                                     Priority::kStandard, Priority::kBestEffort};
    slice.priority = kClasses[Chance(4)];
    return slice;
  }

  void Change() {
    const std::vector<uint64_t> all = accounts_.sessions();
    if (all.empty() || (all.size() < kSessionsMax && Chance(200) == 0)) {
      accounts_.Enter(next_++, AnySlice(), now_ns);
      accounts_.NoteWants(next_ - 1, Chance(2) == 0);
      holder_.reset();  // places have moved
    } else if (all.size() > 1 && Chance(300) == 0) {
      accounts_.Leave(all[Chance(all.size())]);
      holder_.reset();
    } else if (Chance(500) == 0) {
      accounts_.Resize(all[Chance(all.size())], AnySlice(), now_ns);
    } else if (Chance(20) == 0) {
      accounts_.NoteWants(all[Chance(all.size())], Chance(3) != 0);
    }
  }

  void Give(const GpuView& view, const TurnDecision& decision) {
    ++given;
    holder_ = decision.session;
    credit_ns_ = decision.credit_ns;
    used_ns_ = 0;
    accounts_.NoteTurn(view.sessions[decision.session].session);
  }

  // The device does one kernel of whoever has the turn.
  void Work() {
    constexpr uint64_t kTakes[] = {20'000, 200'000, kMs, kLongestNs};
    const bool works = holder_ && views_[*holder_].wants;
    const uint64_t takes_ns = works ? kTakes[Chance(4)] : kMs;
    now_ns += takes_ns;
    if (works) {
      used_ns_ += takes_ns;
      accounts_.Charge(views_[*holder_].session, takes_ns);
    }
    accounts_.Advance(now_ns);
  }

  void Judge(const GpuView& view, const TurnDecision& decision) {
    ASSERT_TRUE(Decide(view) == decision) << "the same view, another decision";
    bool anybody = false;
    for (size_t i = 0; i < view.sessions.size(); ++i) {
      anybody = anybody || MayHaveTurn(view, i);
    }
    ASSERT_EQ(decision.kind == TurnDecision::Kind::kNobody, !anybody && !HoldsForNothing(view));
    if (decision.kind == TurnDecision::Kind::kNobody) {
      return;
    }
    ASSERT_LT(decision.session, view.sessions.size());
    ASSERT_TRUE(MayHaveTurn(view, decision.session) || !anybody);
    if (decision.kind == TurnDecision::Kind::kGive) {
      JudgeGiven(view, decision);
    }
  }

  // Whoever has the turn and does nothing keeps it where nobody else wants it.
  static bool HoldsForNothing(const GpuView& view) {
    return view.holder && !view.sessions[*view.holder].wants;
  }

  static void JudgeGiven(const GpuView& view, const TurnDecision& decision) {
    const SessionView& chosen = view.sessions[decision.session];
    const bool goes_before = view.holder && !view.turn_is_over && MayHaveTurn(view, *view.holder);
    if (goes_before) {
      const SessionView& holder = view.sessions[*view.holder];
      ASSERT_TRUE(chosen.woken && chosen.priority > holder.priority);
      ASSERT_TRUE(IsBestEffort(holder) || chosen.virtual_ns <= holder.virtual_ns);
    }
    bool others = false;
    for (size_t i = 0; i < view.sessions.size(); ++i) {
      if (i == decision.session || !MayHaveTurn(view, i)) {
        continue;
      }
      others = true;
      const SessionView& other = view.sessions[i];
      if (IsBestEffort(chosen) && !IsBestEffort(other)) {
        ASSERT_GE(view.owed_ns, kFloorTurnNs) << "best effort goes first for its floor only";
      } else if (IsBestEffort(chosen) == IsBestEffort(other) && !goes_before) {
        ASSERT_LE(chosen.virtual_ns, other.virtual_ns) << "somebody has had less";
      }
    }
    ASSERT_EQ(decision.others, others);
    if (chosen.left_ns != INT64_MAX) {
      ASSERT_LE(decision.credit_ns, static_cast<uint64_t>(chosen.left_ns)) << "of its cap";
    } else if (others) {
      ASSERT_LE(decision.credit_ns, kTurnNsMax);
      ASSERT_GE(decision.credit_ns, static_cast<uint64_t>(kFloorTurnNs));
    } else if (!IsBestEffort(chosen)) {
      ASSERT_EQ(decision.credit_ns, UINT64_MAX) << "nobody else waits";
    }
  }

  std::mt19937_64 random_;
  ShareAccounts accounts_;
  std::vector<SessionView> views_;
  uint64_t next_ = 1;
  std::optional<size_t> holder_;
  uint64_t credit_ns_ = 0;
  uint64_t used_ns_ = 0;
};

// Times in which all changes, and times in which nothing does but the turns.
uint64_t RunBySeed(uint64_t seed, uint64_t decisions) {
  constexpr uint64_t kPhase = 5'000;
  World world(seed);
  while (world.decisions < decisions && !testing::Test::HasFatalFailure()) {
    for (uint64_t i = 0; i < kPhase && !testing::Test::HasFatalFailure(); ++i) {
      world.Step(true);
    }
    const std::map<uint64_t, uint64_t> before = world.Used();
    for (uint64_t i = 0; i < kPhase && !testing::Test::HasFatalFailure(); ++i) {
      world.Step(false);
    }
    world.JudgeParts(before);
  }
  std::printf(
      "seed %llu: %llu decisions, %llu turns, %.0f s of the device\n",
      static_cast<unsigned long long>(seed), static_cast<unsigned long long>(world.decisions),
      static_cast<unsigned long long>(world.given), static_cast<double>(world.now_ns) / 1e9);
  return world.sum;
}

TEST(Policy, AMillionDecisionsKeepTheRules) {
  const uint64_t seed =
      std::strtoull(Environment("FARLANE_SEED").value_or("1").c_str(), nullptr, 10);
  RunBySeed(seed, 1'000'000);
}

TEST(Policy, TheSameSeedMakesTheSameDecisions) {
  EXPECT_EQ(RunBySeed(7, 20'000), RunBySeed(7, 20'000));
  EXPECT_NE(RunBySeed(7, 20'000), RunBySeed(8, 20'000));
}

}  // namespace
}  // namespace farlane::server
