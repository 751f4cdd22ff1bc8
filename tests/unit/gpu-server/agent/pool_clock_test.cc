// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/agent/pool_clock.h"

#include <gtest/gtest.h>

namespace farlane::agent {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;

TEST(PoolClock, SaysNothingBeforeItHasHeard) {
  PoolClock clock;
  EXPECT_EQ(clock.Seconds(500 * kSecondNs), 0u);
  clock.Hear(0, 500 * kSecondNs);
  clock.Hear(-5, 500 * kSecondNs);
  EXPECT_EQ(clock.Seconds(501 * kSecondNs), 0u);
}

TEST(PoolClock, GoesOnByItself) {
  PoolClock clock;
  clock.Hear(1'700'000'000'500, 10 * kSecondNs);
  EXPECT_EQ(clock.Seconds(10 * kSecondNs), 1'700'000'000u);
  EXPECT_EQ(clock.Seconds(70 * kSecondNs), 1'700'000'060u);
}

TEST(PoolClock, BelievesTheLastWord) {
  PoolClock clock;
  clock.Hear(1'700'000'000'000, 10 * kSecondNs);
  clock.Hear(1'600'000'000'000, 20 * kSecondNs);
  EXPECT_EQ(clock.Seconds(21 * kSecondNs), 1'600'000'001u);
}

}  // namespace
}  // namespace farlane::agent
