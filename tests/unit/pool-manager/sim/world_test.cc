// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/sim/world.h"

#include <gtest/gtest.h>

namespace farlane::pool::sim {
namespace {

TEST(World, NearIsNearerThanFar) {
  const World world({.servers = 50, .seed = 5});
  Job job;
  for (uint32_t server = 0; server < 50; ++server) {
    job.zone = world.ZoneOf(server);
    const double here = world.TrueRtt(job, server);
    job.zone = (job.zone + 1) % 10;
    EXPECT_LT(here, world.TrueRtt(job, server));
    EXPECT_GE(world.TrueRtt(job, server), 500e-6);
  }
}

TEST(World, ContentionIsNothingAloneAndGrowsWithTheOthers) {
  EXPECT_EQ(World::TrueContention(1, 0, 0), 0);
  EXPECT_LT(World::TrueContention(0.3, 0.2, 1), World::TrueContention(0.3, 0.6, 2));
  EXPECT_GT(World::TrueContention(1, 1, 1), 1);
}

TEST(World, RegistersWhatItHas) {
  const ClusterView cluster = World({.servers = 50, .seed = 5}).MakeCluster();
  EXPECT_EQ(cluster.servers().size(), 50U);
  EXPECT_EQ(cluster.devices().size(), 400U);
  EXPECT_LE(cluster.domains().size(), 10U);
}

TEST(Chance, IsTheSameForTheSameSeedAndSpreads) {
  Chance one(1), same(1), other(2);
  EXPECT_EQ(one.Next(), same.Next());
  EXPECT_NE(one.Next(), other.Next());
  double sum = 0, squares = 0;
  for (int i = 0; i < 20'000; ++i) {
    const double normal = one.Normal();
    sum += normal;
    squares += normal * normal;
  }
  EXPECT_NEAR(sum / 20'000, 0, 0.03);
  EXPECT_NEAR(squares / 20'000, 1, 0.05);
}

}  // namespace
}  // namespace farlane::pool::sim
