// SPDX-License-Identifier: Apache-2.0
#include "protocol/channel/wait_policy.h"

#include <gtest/gtest.h>

namespace farlane::channel {
namespace {

constexpr uint64_t kLongNs = 1'000'000;

bool Never() {
  return false;
}

TEST(WaitPolicy, LooksUntilSomethingIsThere) {
  WaitPolicy wait(kLongNs);
  int looks = 0;
  EXPECT_TRUE(wait.Spin([&looks] { return ++looks == 3; }));
  EXPECT_EQ(looks, 3);
}

TEST(WaitPolicy, SleepsAtOnceWhereNoCoreIsSpare) {
  WaitPolicy wait(0);
  int looks = 0;
  EXPECT_FALSE(wait.Spin([&looks] { return ++looks > 0; }));
  EXPECT_EQ(looks, 0);
}

TEST(WaitPolicy, SaysOnceThatItIsQuiet) {
  WaitPolicy wait(kLongNs);
  int said = 0;
  EXPECT_FALSE(wait.Spin(Never, 0, [&said] { ++said; }));
  EXPECT_EQ(said, 1);
}

TEST(WaitPolicy, IsNotQuietBeforeItsTime) {
  WaitPolicy wait(kLongNs);
  int said = 0;
  EXPECT_FALSE(wait.Spin(Never, 2 * kLongNs, [&said] { ++said; }));
  EXPECT_EQ(said, 0);
}

TEST(WaitPolicy, StopsLookingWhereItNeverPays) {
  WaitPolicy wait(1);
  int looks = 0;
  const auto look = [&looks] { return ++looks < 0; };
  for (int i = 0; i < 1000; ++i) {
    EXPECT_FALSE(wait.Spin(look));
  }
  EXPECT_LT(looks, 400);
  EXPECT_GT(looks, 20);  // but it tries again now and then
}

}  // namespace
}  // namespace farlane::channel
