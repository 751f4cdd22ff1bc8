// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/distance_table.h"

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

Place At(const char* region, const char* zone, const char* rack = "", const char* host = "") {
  return {.region = region, .zone = zone, .rack = rack, .host = host};
}

TEST(DistanceTable, TheMoreNamesAreTheSameTheNearer) {
  const DistanceTable table;
  const Place here = At("r", "z", "1", "h");
  double last_s = 0;
  for (const Place& there : {At("r", "z", "1", "h"), At("r", "z", "1", "i"), At("r", "z", "2"),
                             At("r", "y"), At("q", "z", "1", "h")}) {
    const LinkEstimate link = table.Between(here, there);
    EXPECT_GT(link.rtt_s, last_s);
    EXPECT_EQ(link.evidence, Evidence::kLabels);
    last_s = link.rtt_s;
  }
}

TEST(DistanceTable, AnOperatorKnowsBetterBothWays) {
  DistanceTable table;
  table.Set("r/a", "q/b", 2e-3, 1e9);
  EXPECT_DOUBLE_EQ(table.Between(At("q", "b"), At("r", "a")).rtt_s, 2e-3);
  EXPECT_DOUBLE_EQ(table.Between(At("r", "a"), At("q", "b")).rtt_s, 2e-3);
  EXPECT_LT(ErrorNow(table.Between(At("r", "a"), At("q", "b"))),
            ErrorNow(table.Between(At("r", "a"), At("q", "c"))));
}

TEST(DistanceTable, WhatIsSetForAZoneLeavesItsRacksAsNearAsTheyAre) {
  DistanceTable table;
  table.Set("r/a", "r/a", 9e-3, 1e9);
  EXPECT_DOUBLE_EQ(table.Between(At("r", "a", "1"), At("r", "a", "2")).rtt_s, 9e-3);
  EXPECT_LT(table.Between(At("r", "a", "1"), At("r", "a", "1")).rtt_s, 1e-3);
}

}  // namespace
}  // namespace farlane::pool
