// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/idle_rule.h"

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

TEST(IdleRule, WarnsBeforeItReclaims) {
  const IdleRule rule;
  EXPECT_EQ(JudgeIdle(rule, 899), IdleVerdict::kKeep);
  EXPECT_EQ(JudgeIdle(rule, 900), IdleVerdict::kWarn);
  EXPECT_EQ(JudgeIdle(rule, 1200), IdleVerdict::kReclaim);
  EXPECT_EQ(JudgeIdle({.reclaim_after_s = 0}, 1e9), IdleVerdict::kKeep);
}

}  // namespace
}  // namespace farlane::pool
