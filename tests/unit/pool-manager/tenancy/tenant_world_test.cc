// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/pool-manager/tenancy/tenant_world.h"

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

// What it would be not to look again at those who are chosen in the end.
class Careless : public EvictionPlanner {
 protected:
  bool Stands(TenantTree&, const Wanted&, const std::vector<Victim>&) const override {
    return true;
  }
};

constexpr size_t kSteps = 100'000;

TEST(TenantWorld, NobodyIsEverOverALimitAndNothingGoesBack) {
  const EvictionPlanner planner;
  TenantWorld world(planner, 1, {});
  for (size_t step = 0; step < kSteps; ++step) {
    world.Step();
  }
  EXPECT_EQ(world.broken().over_limit, 0u);
  EXPECT_EQ(world.broken().over_device, 0u);
  EXPECT_EQ(world.broken().below_guarantee, 0u);
  EXPECT_EQ(world.broken().went_back, 0u);
  EXPECT_TRUE(world.TreeIsRight());
  EXPECT_GT(world.waiting(), 4900u) << "as many as there may be";
  EXPECT_GT(world.evicted(), 5'000u) << "too few decisions for the rules to be tried";
  EXPECT_GT(world.throttled(), 0u);
  printf("%zu steps: %llu let in, %llu ended for others, %llu made slower; %zu run, %zu wait\n",
         kSteps, static_cast<unsigned long long>(world.admitted()),
         static_cast<unsigned long long>(world.evicted()),
         static_cast<unsigned long long>(world.throttled()), world.running(), world.waiting());
}

TEST(TenantWorld, WithoutTheSecondLookRulesAreBrokenInTheLargeOneToo) {
  const Careless planner;
  TenantWorld world(planner, 1, {});
  size_t step = 0;
  for (; step < kSteps && world.broken().Sum() == 0; ++step) {
    world.Step();
  }
  EXPECT_GT(world.broken().Sum(), 0u) << "the large world does not see the check of the victims";
  printf("the first rule was broken after %zu steps, %llu ended for others\n", step,
         static_cast<unsigned long long>(world.evicted()));
}

TEST(TenantWorld, WithoutTheSecondLookRulesAreBroken) {
  const Careless planner;
  uint64_t broken = 0;
  for (uint64_t seed = 1; seed <= 5 && broken == 0; ++seed) {
    TenantWorld world(planner, seed, {.orgs = 4, .projects = 24, .hosts = 8, .queue_max = 200});
    for (size_t step = 0; step < 20'000; ++step) {
      world.Step();
    }
    broken += world.broken().Sum();
  }
  EXPECT_GT(broken, 0u) << "the check of the final victims is not needed, or not looked for";
}

TEST(TenantWorld, SmallWorldsBreakNoRuleEither) {
  const EvictionPlanner planner;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    TenantWorld world(planner, seed, {.orgs = 4, .projects = 24, .hosts = 8, .queue_max = 200});
    for (size_t step = 0; step < 20'000; ++step) {
      world.Step();
    }
    EXPECT_EQ(world.broken().Sum(), 0u) << "seed " << seed;
    EXPECT_TRUE(world.TreeIsRight());
  }
}

TEST(TenantWorld, WhoIsLeftAloneComesToRest) {
  const EvictionPlanner planner;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    TenantWorld world(planner, seed, {.orgs = 3, .projects = 12, .hosts = 4, .queue_max = 60});
    for (size_t step = 0; step < 500; ++step) {
      world.Step();
    }
    constexpr size_t kMost = 5'000;
    EXPECT_LT(world.Settle(kMost), kMost) << "they go on taking from each other, seed " << seed;
    EXPECT_EQ(world.broken().Sum(), 0u) << "seed " << seed;
  }
}

}  // namespace
}  // namespace farlane::pool
