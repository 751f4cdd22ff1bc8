// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/arbiter/policy_seat.h"

#include <random>

#include <gtest/gtest.h>

#include "gpu-server/arbiter/policy_answer.h"
#include "gpu-server/arbiter/policy_library.h"
#include "tests/unit/gpu-server/arbiter/virtual_gpu.h"

namespace farlane::server {
namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kSecond = 1'000 * kMs;

PolicySeat Wrong(const std::string& how) {
  return LoadPolicy(WRONG_POLICIES "/" + how + ".so", "").value();
}

// One that may have the next turn, one that may not, and one whose turn is over.
struct Scene {
  std::vector<SessionView> sessions = {{.wants = true, .session = 1},
                                       {.wants = false, .session = 2},
                                       {.virtual_ns = 5, .wants = true, .session = 3}};
  GpuView view{.sessions = sessions, .holder = 2, .turn_is_over = true};
};

GpuView Random(std::mt19937& random, std::vector<SessionView>* sessions) {
  const size_t count = 1 + random() % 8;
  for (size_t i = 0; i < count; ++i) {
    const bool capped = random() % 4 == 0;
    sessions->push_back({.priority = static_cast<Priority>(1 + random() % 3),
                         .weight = 1 + random() % kWholeShare,
                         .virtual_ns = static_cast<int64_t>(random() % (100 * kMs)),
                         .wants = random() % 3 != 0,
                         .woken = random() % 4 == 0,
                         .left_ns = capped ? static_cast<int64_t>(random() % (4 * kMs)) : INT64_MAX,
                         .session = i});
  }
  GpuView view{.sessions = *sessions, .holder = {}, .turn_is_over = random() % 2 == 0};
  if (random() % 3 != 0) {
    view.holder = random() % count;
  }
  view.owed_ns = static_cast<int64_t>(random() % (4 * kMs)) - static_cast<int64_t>(2 * kMs);
  return view;
}

bool Same(const TurnDecision& one, const TurnDecision& other) {
  return one.kind == other.kind && one.session == other.session &&
         one.credit_ns == other.credit_ns && one.others == other.others;
}

TEST(PolicySeat, TheBuiltInPolicySaysTheSameBehindTheInterface) {
  std::mt19937 random(1);
  for (size_t i = 0; i < 100'000; ++i) {
    std::vector<SessionView> sessions;
    const GpuView view = Random(random, &sessions);
    PolicySeat seat;
    ASSERT_TRUE(seat.is_built_in());
    const TurnDecision direct = Decide(view);
    const TurnDecision seated = seat.Decide(view);
    ASSERT_TRUE(Same(direct, seated)) << i;
    if (AnybodyMayRun(view)) {
      std::vector<farlane_policy_session> shown;
      const farlane_policy_view asked = ShowToPolicy(view, &shown);
      farlane_policy_decision answer{};
      kBuiltInPolicy.decide(&asked, &answer);
      const Result<TurnDecision> checked = CheckAnswer(view, answer);
      ASSERT_TRUE(checked.has_value()) << i << ": " << checked.error().message();
    }
  }
}

TEST(PolicySeat, AWrongAnswerCostsTheSeatAndNoTurn) {
  for (const char* how : {"place", "idle", "no_credit", "much_credit", "keeps", "silent"}) {
    Scene scene;
    PolicySeat seat = Wrong(how);
    ASSERT_FALSE(seat.is_built_in());
    const TurnDecision decision = seat.Decide(scene.view);
    EXPECT_TRUE(Same(decision, Decide(scene.view))) << how;
    EXPECT_TRUE(seat.is_built_in()) << how;
    EXPECT_NE(seat.dismissal().find("the policy \"wrong\" "), std::string::npos) << how;
    EXPECT_TRUE(Same(seat.Decide(scene.view), decision)) << how << ": and so it stays";
  }
}

TEST(PolicySeat, WhatWasWrongIsSaidWithItsNumbers) {
  Scene scene;
  PolicySeat place = Wrong("place");
  place.Decide(scene.view);
  EXPECT_EQ(place.dismissal(), "the policy \"wrong\" gives a turn to the session at place 3 of 3");
  PolicySeat credit = Wrong("no_credit");
  credit.Decide(scene.view);
  EXPECT_EQ(credit.dismissal(),
            "the policy \"wrong\" lets the session at place 0 of 3 use 0 ns, less than a turn is "
            "worth");
}

TEST(PolicySeat, TheThirdSlowDecisionCostsTheSeat) {
  for (const char* how : {"slow", "sleepy"}) {
    Scene scene;
    PolicySeat seat = Wrong(how);
    for (uint32_t i = 0; i + 1 < PolicySeat::kSlowMax; ++i) {
      seat.Decide(scene.view);
      EXPECT_FALSE(seat.is_built_in()) << how << " " << i;
    }
    seat.Decide(scene.view);
    EXPECT_TRUE(seat.is_built_in()) << how;
  }
}

TEST(PolicySeat, WhereNobodyMayRunNobodyIsAsked) {
  const std::vector<SessionView> sessions = {{.wants = false}, {.wants = true, .left_ns = 0}};
  PolicySeat seat = Wrong("place");
  EXPECT_EQ(seat.Decide({.sessions = sessions, .holder = {}}).kind, TurnDecision::Kind::kNobody);
  EXPECT_EQ(seat.Decide({.sessions = sessions, .holder = 0}).kind, TurnDecision::Kind::kKeep);
  EXPECT_EQ(seat.Decide({.sessions = sessions, .holder = 1}).kind, TurnDecision::Kind::kNobody);
  EXPECT_FALSE(seat.is_built_in());
}

TEST(PolicySeat, ACreditBeyondTheCapIsShortened) {
  const std::vector<SessionView> sessions = {
      {.wants = true, .left_ns = static_cast<int64_t>(3 * kMs)}};
  const GpuView view{.sessions = sessions, .holder = {}};
  const Result<TurnDecision> decision =
      CheckAnswer(view, {.verdict = FARLANE_POLICY_GIVE, .session = 0, .credit_ns = UINT64_MAX});
  ASSERT_TRUE(decision.has_value());
  EXPECT_EQ(decision.value().credit_ns, 3 * kMs);
}

// The whole arbiter with each of them: whatever a plug-in says, sessions have their shares.
TEST(PolicySeat, SharesHoldWhateverAPlugInSays) {
  for (const char* how : {"place", "no_credit", "much_credit", "keeps", "silent"}) {
    VirtualGpu gpu(true, Wrong(how));
    SliceRequest slice{};
    slice.share = 700'000;
    gpu.Add(1, slice, [](uint64_t) { return 5 * kMs; });
    slice.share = 300'000;
    gpu.Add(2, slice, [](uint64_t) { return 20'000; });
    gpu.Run(5 * kSecond);
    const double part = static_cast<double>(gpu.clients[0]->used_ns) /
                        static_cast<double>(gpu.clients[0]->used_ns + gpu.clients[1]->used_ns);
    EXPECT_NEAR(part, 0.7, 0.01) << how;
  }
}

}  // namespace
}  // namespace farlane::server
