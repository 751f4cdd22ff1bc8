// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/tenancy/preemption.h"

#include <gtest/gtest.h>

#include "pool-manager/tenancy/room_forecast.h"

namespace farlane::pool {
namespace {

constexpr uint64_t kGpu = kWholeShare;
constexpr int64_t kNow = 10'000'000;

// Shows what stands behind the plan.
class Careless : public EvictionPlanner {
 protected:
  bool Stands(TenantTree&, const Wanted&, const std::vector<Victim>&) const override {
    return true;
  }
};

class PreemptionTest : public testing::Test {
 protected:
  PreemptionTest() {
    tree_.SetCapacity(Amount::Of(4 * kGpu, 400, kNoLimit));
    host_.id = "host";
    host_.devices.assign(4, {.share_free = kGpu, .memory_free = 100});
  }

  uint32_t Add(const std::string& name,
               uint64_t guaranteed_gpus,
               const std::string& org = "",
               uint64_t limit_gpus = 100) {
    return tree_
        .Set({.name = name,
              .org = org,
              .quota = {.guaranteed = Amount::Of(guaranteed_gpus * kGpu, 0, 0),
                        .limit = Amount::Of(limit_gpus * kGpu, kNoLimit, kNoLimit)}})
        .value();
  }

  void AddOrg(const std::string& name, uint64_t guaranteed_gpus, uint64_t limit_gpus = 100) {
    ASSERT_TRUE(tree_
                    .Set({.name = name,
                          .is_org = true,
                          .quota = {.guaranteed = Amount::Of(guaranteed_gpus * kGpu, 0, 0),
                                    .limit = Amount::Of(limit_gpus * kGpu, kNoLimit, kNoLimit)}})
                    .ok());
  }

  // Runs on one device.
  void Run(const std::string& id,
           uint32_t project,
           uint32_t device,
           double share = 1,
           Priority priority = Priority::kStandard,
           double least = -1) {
    const auto part = static_cast<uint64_t>(share * kGpu);
    const bool pays = priority != Priority::kBestEffort;
    RunningSession session{.id = id,
                           .project = project,
                           .priority = priority,
                           .share = pays ? part : 0,
                           .memory = 50,
                           .amount = Amount::Of(pays ? part : 0, 50, 1),
                           .devices = {device},
                           .started_ms = kNow - 100'000 + static_cast<int64_t>(device),
                           .share_least = least < 0 ? part : static_cast<uint64_t>(least * kGpu)};
    if (!pays) {
      session.share_least = 0;
    }
    host_.devices[device].share_free -= session.share;
    host_.devices[device].memory_free -= session.memory;
    ++host_.devices[device].sessions;
    tree_.Charge(project, priority, session.amount);
    host_.sessions.push_back(std::move(session));
  }

  static Wanted Wants(uint32_t project,
                      uint32_t devices = 1,
                      Priority priority = Priority::kStandard,
                      double share = 1) {
    const auto part = static_cast<uint64_t>(share * kGpu);
    return {.project = project,
            .priority = priority,
            .amount = Amount::Of(part * devices, 10 * devices, 1),
            .devices = devices,
            .share = part,
            .memory = 10};
  }

  // "a b" are ended, "a/0.5" goes on with a half; "-": it may not be.
  std::string Plan(const Wanted& wanted, const EvictionPlanner& planner = EvictionPlanner()) {
    const Amount before = tree_.Used(TenantTree::kPool);
    const auto plan = planner.Plan(tree_, wanted, host_, kNow);
    EXPECT_EQ(tree_.Used(TenantTree::kPool), before) << "the tree is as it was";
    if (!plan.has_value()) {
      return "-";
    }
    std::string text;
    for (const EvictionStep& step : plan->steps) {
      text += (text.empty() ? "" : " ") + step.session;
      text += step.ends ? "" : "/" + ShareText(step.share);
    }
    return text;
  }

  TenantTree tree_;
  HostPicture host_;
};

TEST_F(PreemptionTest, WhoIsGuaranteedItGetsItFromWhoBorrows) {
  const uint32_t a = Add("a", 1);
  const uint32_t b = Add("b", 1);
  for (uint32_t device = 0; device < 4; ++device) {
    Run("b" + std::to_string(device), b, device);
  }
  EXPECT_EQ(Plan(Wants(a)), "b3") << "who has run for the shortest time";
}

TEST_F(PreemptionTest, WhatIsGuaranteedIsNotTaken) {
  const uint32_t a = Add("a", 2);
  const uint32_t b = Add("b", 3);
  for (uint32_t device = 0; device < 4; ++device) {
    Run("b" + std::to_string(device), b, device);
  }
  EXPECT_EQ(Plan(Wants(a)), "b3");
  EXPECT_EQ(Plan(Wants(a, 2)), "-") << "b would have 2 of its 3";
}

TEST_F(PreemptionTest, WhoHasLessGetsItFromWhoKeepsMore) {
  const uint32_t a = Add("a", 0);
  const uint32_t b = Add("b", 0);
  for (uint32_t device = 0; device < 4; ++device) {
    Run("b" + std::to_string(device), b, device);
  }
  EXPECT_EQ(Plan(Wants(a)), "b3");
  EXPECT_EQ(Plan(Wants(a, 2)), "b3 b2") << "then both have two";
  EXPECT_EQ(Plan(Wants(a, 3)), "-") << "then a would have more";
}

TEST_F(PreemptionTest, TwoThatHaveTheSameLeaveEachOtherAlone) {
  const uint32_t a = Add("a", 0);
  const uint32_t b = Add("b", 0);
  Run("a0", a, 0);
  Run("a1", a, 1);
  Run("b2", b, 2);
  Run("b3", b, 3);
  EXPECT_EQ(Plan(Wants(a)), "-");
  EXPECT_EQ(Plan(Wants(b)), "-");
}

TEST_F(PreemptionTest, AHigherClassComesBeforeALowerOfItsProject) {
  const uint32_t a = Add("a", 4);
  const uint32_t b = Add("b", 4);
  Run("a0", a, 0);
  Run("a1", a, 1);
  Run("b2", b, 2);
  Run("b3", b, 3);
  EXPECT_EQ(Plan(Wants(a, 1, Priority::kGuaranteed)), "a1") << "b is guaranteed what it has";
  EXPECT_EQ(Plan(Wants(a)), "-");
}

TEST_F(PreemptionTest, BestEffortGivesWayToAnybodyAndNobodyToIt) {
  const uint32_t a = Add("a", 0);
  const uint32_t b = Add("b", 4);
  for (uint32_t device = 0; device < 4; ++device) {
    Run("e" + std::to_string(device), b, device, 1, Priority::kBestEffort);
  }
  Wanted wanted = Wants(a);
  wanted.memory = 60;
  EXPECT_EQ(Plan(wanted), "e3");
  wanted.priority = Priority::kBestEffort;
  EXPECT_EQ(Plan(wanted), "-");
}

TEST_F(PreemptionTest, WhatIsSlowerIsNotEnded) {
  const uint32_t a = Add("a", 1);
  const uint32_t b = Add("b", 0);
  for (uint32_t device = 0; device < 4; ++device) {
    Run("b" + std::to_string(device), b, device, 1, Priority::kStandard, 0.25);
  }
  EXPECT_EQ(Plan(Wants(a, 1, Priority::kStandard, 0.5)), "b3/0.5") << "no slower than it has to be";
  EXPECT_EQ(Plan(Wants(a)), "b3") << "a whole one";
}

TEST_F(PreemptionTest, NobodyIsEndedWhoHasJustBegun) {
  const uint32_t a = Add("a", 1);
  const uint32_t b = Add("b", 0);
  for (uint32_t device = 0; device < 4; ++device) {
    Run("b" + std::to_string(device), b, device);
    host_.sessions.back().started_ms = kNow - 1000;
  }
  EXPECT_EQ(Plan(Wants(a)), "-");
}

TEST_F(PreemptionTest, NoMoreAreEndedThanNeeded) {
  const uint32_t a = Add("a", 2);
  const uint32_t b = Add("b", 0);
  Run("small", b, 0, 0.25);
  Run("large", b, 0, 0.75);
  for (uint32_t device = 1; device < 4; ++device) {
    Run("b" + std::to_string(device), b, device);
  }
  EXPECT_EQ(Plan(Wants(a)), "b3");
}

// An organisation is at its limit. Who is found first, b3, leaves room enough, and whoever goes by
// the room alone ends nobody else: but then the limit is passed. Those of it have to go.
TEST_F(PreemptionTest, ThoseThatAreLeftInTheEndAreJudgedTogether) {
  AddOrg("org", 0, 1);
  const uint32_t a = Add("a", 0, "org");
  const uint32_t sibling = Add("sibling", 0, "org");
  const uint32_t b = Add("b", 0);
  Run("s0", sibling, 0, 0.5);
  Run("s1", sibling, 1, 0.5);
  Run("b1", b, 1, 0.5);
  Run("b2", b, 2);
  Run("b3", b, 3);
  const Wanted wanted = Wants(a, 1, Priority::kGuaranteed);
  EXPECT_EQ(Plan(wanted, Careless()), "b3");
  EXPECT_EQ(Plan(wanted), "s1 s0") << "with b3 alone the organisation would have 2 of its 1";
}

TEST_F(PreemptionTest, RoomIsForecastByTimeLimits) {
  const uint32_t a = Add("a", 0);
  const uint32_t b = Add("b", 0);
  HostPicture other = host_;
  for (uint32_t device = 0; device < 4; ++device) {
    Run("b" + std::to_string(device), b, device);
    host_.sessions.back().ends_ms = kNow + 1000 * (device + 1);
  }
  other.id = "other";
  other.sessions = host_.sessions;
  other.devices = host_.devices;
  for (RunningSession& session : other.sessions) {
    session.ends_ms = 0;
  }
  auto room = ForecastRoom(Wants(a, 3), {other, host_}, kNow);
  ASSERT_TRUE(room.has_value());
  EXPECT_EQ(room->host, 1u);
  EXPECT_EQ(room->start_ms, kNow + 3000);
  room = ForecastRoom(Wants(a, 3), {other}, kNow);
  ASSERT_TRUE(room.has_value());
  EXPECT_EQ(room->start_ms, 0) << "nobody knows";
  EXPECT_FALSE(ForecastRoom(Wants(a, 5), {other, host_}, kNow).has_value());
  EXPECT_TRUE(MayFillIn(1000, kNow + 3000, kNow));
  EXPECT_FALSE(MayFillIn(5000, kNow + 3000, kNow));
  EXPECT_FALSE(MayFillIn(0, kNow + 3000, kNow)) << "nobody knows how long it runs";
  EXPECT_FALSE(MayFillIn(1000, 0, kNow));
}

}  // namespace
}  // namespace farlane::pool
