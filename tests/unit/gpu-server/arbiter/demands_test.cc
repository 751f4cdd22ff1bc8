// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/arbiter/demands.h"

#include <gtest/gtest.h>

namespace farlane::server {
namespace {

constexpr uint64_t kMs = 1'000'000;

class DemandsTest : public testing::Test {
 protected:
  void Enter(Demands::Session session,
             double share,
             Priority priority = Priority::kStandard,
             double limit = 0) {
    SliceRequest slice{};
    slice.share = static_cast<uint32_t>(share * kWholeShare);
    slice.share_limit = static_cast<uint32_t>(limit * kWholeShare);
    slice.priority = priority;
    demands_.Enter(session, slice);
    demands_.SetWeight(session, std::max<uint64_t>(slice.share, 1));
  }

  // Time goes by in which each of them does so much of each millisecond, in commands of one length.
  struct Load {
    Demands::Session session = 0;
    uint64_t each_ms_ns = 0;
    uint64_t command_ns = 0;
    bool deep = false;
  };

  void Pass(uint64_t ms, const std::vector<Load>& loads) {
    for (uint64_t i = 1; i <= ms; ++i) {
      now_ns_ += kMs;
      for (const Load& load : loads) {
        const uint64_t before = load.each_ms_ns * (i - 1) / load.command_ns;
        const uint64_t commands = load.each_ms_ns * i / load.command_ns - before;
        demands_.Note(load.session, {.asked_ns = commands * load.command_ns,
                                     .deep_ns = load.deep ? commands * load.command_ns : 0,
                                     .commands = commands,
                                     .wants = true});
      }
      demands_.Advance(now_ns_);
    }
  }

  uint64_t now_ns_ = 1'000 * kMs;
  Demands demands_;
};

TEST_F(DemandsTest, EverybodyIsLightAtFirst) {
  Enter(1, 0.5);
  Enter(2, 0.5);
  EXPECT_TRUE(demands_.IsLight(1));
  EXPECT_FALSE(demands_.OthersWork(1));
  EXPECT_EQ(demands_.NextTime(), UINT64_MAX);
  Pass(1, {{.session = 2, .each_ms_ns = 1000, .command_ns = 1000}});
  EXPECT_TRUE(demands_.OthersWork(1));
  EXPECT_FALSE(demands_.OthersWork(2));
  EXPECT_NE(demands_.NextTime(), UINT64_MAX);
}

TEST_F(DemandsTest, WhoAlwaysHasMoreWaitingNeedsTurns) {
  Enter(1, 0.5);
  Enter(2, 0.5);
  Pass(40, {{.session = 1, .each_ms_ns = 500'000, .command_ns = 100'000, .deep = true},
            {.session = 2, .each_ms_ns = 10'000, .command_ns = 10'000}});
  EXPECT_FALSE(demands_.IsLight(1));
  EXPECT_TRUE(demands_.IsLight(2));
  EXPECT_TRUE(demands_.OthersNeedTurns(2));
  EXPECT_FALSE(demands_.OthersNeedTurns(1)) << "so it has them all";
}

TEST_F(DemandsTest, ShortCommandsOneAfterTheOtherNeedNoTurnsHoweverManyThereAre) {
  std::vector<Load> loads;
  for (Demands::Session session = 1; session <= 8; ++session) {
    Enter(session, 0.125);
    loads.push_back({.session = session, .each_ms_ns = 250'000, .command_ns = 50'000});
  }
  Pass(1000, loads);  // on a device that does two at a time
  for (const Load& load : loads) {
    EXPECT_TRUE(demands_.IsLight(load.session));
  }
}

TEST_F(DemandsTest, LongCommandsOneAfterTheOtherNeedTurnsWhereTheDeviceIsBusy) {
  Enter(1, 0.7);
  Enter(2, 0.3);
  Pass(100, {{.session = 1, .each_ms_ns = 300'000, .command_ns = 2 * kMs},
             {.session = 2, .each_ms_ns = 300'000, .command_ns = 2 * kMs}});
  EXPECT_TRUE(demands_.IsLight(1)) << "there is time for both";
  Pass(100, {{.session = 1, .each_ms_ns = 500'000, .command_ns = 2 * kMs},
             {.session = 2, .each_ms_ns = 500'000, .command_ns = 2 * kMs}});
  EXPECT_FALSE(demands_.IsLight(1));
  EXPECT_FALSE(demands_.IsLight(2));
}

TEST_F(DemandsTest, WhoHasMoreThanItsShareBesideABusyOneTakesTurnsUntilItHasSavedSome) {
  Enter(1, 0.75);
  Enter(2, 0.25);
  const Load busy{.session = 1, .each_ms_ns = 500'000, .command_ns = 100'000, .deep = true};
  Pass(40, {busy, {.session = 2, .each_ms_ns = 240'000, .command_ns = 10'000}});
  EXPECT_TRUE(demands_.IsLight(2));
  Pass(200, {busy, {.session = 2, .each_ms_ns = 240'000, .command_ns = 10'000}});
  EXPECT_TRUE(demands_.IsLight(2)) << "it never has more";
  Pass(200, {busy, {.session = 2, .each_ms_ns = 500'000, .command_ns = 10'000}});
  EXPECT_FALSE(demands_.IsLight(2));
  Pass(1000, {busy, {.session = 2, .each_ms_ns = 100'000, .command_ns = 10'000}});
  EXPECT_TRUE(demands_.IsLight(2));
}

TEST_F(DemandsTest, WhatNobodyElseWantsIsFree) {
  Enter(1, 0.9);
  Enter(2, 0.1);
  Pass(1000, {{.session = 2, .each_ms_ns = 900'000, .command_ns = 10'000}});
  EXPECT_TRUE(demands_.IsLight(2));
  EXPECT_GT(demands_.CreditOf(2), 20 * kMs);
  Pass(21, {{.session = 1, .each_ms_ns = 500'000, .command_ns = 100'000, .deep = true}});
  EXPECT_TRUE(demands_.IsLight(2));
}

TEST_F(DemandsTest, WhoIsOfAHigherClassThanOneWhoNeedsTurnsTakesThemToo) {
  Enter(1, 0.5, Priority::kGuaranteed);
  Enter(2, 0.3);
  Enter(3, 0, Priority::kBestEffort);
  const Load little{.session = 1, .each_ms_ns = 10'000, .command_ns = 10'000};
  Pass(10, {little, {.session = 2, .each_ms_ns = 10'000, .command_ns = 10'000}});
  EXPECT_TRUE(demands_.IsLight(1));
  EXPECT_TRUE(demands_.IsLight(2));
  EXPECT_FALSE(demands_.IsLight(3));
  Pass(10, {little, {.session = 3, .each_ms_ns = 10'000, .command_ns = 10'000}});
  EXPECT_FALSE(demands_.IsLight(1)) << "best effort gives way at once";
  EXPECT_FALSE(demands_.IsLight(2));
  Pass(200, {little});
  EXPECT_TRUE(demands_.IsLight(1));
  EXPECT_TRUE(demands_.IsLight(2));
}

TEST_F(DemandsTest, ACapIsKeptByTurns) {
  Enter(1, 0.5, Priority::kStandard, 0.6);
  Enter(2, 0.5);
  Pass(10, {{.session = 1, .each_ms_ns = 10'000, .command_ns = 10'000}});
  EXPECT_FALSE(demands_.IsLight(1));
  EXPECT_TRUE(demands_.IsLight(2));
}

TEST_F(DemandsTest, ACommandWithoutAnEndIsNotAShortOne) {
  Enter(1, 0.5);
  Enter(2, 0.5);
  for (int i = 0; i < 10; ++i) {
    now_ns_ += Demands::kSpanNs;
    demands_.Note(1, {.wants = true, .in_flight = true});
    demands_.Advance(now_ns_);
  }
  EXPECT_FALSE(demands_.IsLight(1));
  EXPECT_TRUE(demands_.IsLight(2));
}

TEST_F(DemandsTest, WhatSomebodyHadAsALightOneIsKnownForAMomentAndPaidOnce) {
  Enter(1, 0.5);
  Enter(2, 0.5);
  const std::vector<Load> loads = {
      {.session = 1, .each_ms_ns = 700'000, .command_ns = 100'000, .deep = true},
      {.session = 2, .each_ms_ns = 300'000, .command_ns = 100'000, .deep = true}};
  Pass(21, loads);
  ASSERT_FALSE(demands_.IsLight(1));
  EXPECT_GE(demands_.TakeDebt(1), 14 * kMs);
  EXPECT_EQ(demands_.TakeDebt(1), 0u);
  Pass(5, loads);
  EXPECT_EQ(demands_.TakeDebt(1), 0u) << "what it has in its turns is charged as it comes";
}

}  // namespace
}  // namespace farlane::server
