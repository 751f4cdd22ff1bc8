// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/device_clock.h"

#include <gtest/gtest.h>

namespace farlane::server {
namespace {

constexpr int64_t kAhead = 7'000'000;  // the device's clock is ahead by so much

TEST(DeviceClock, KnowsNothingBeforeItHasSeenAnEvent) {
  EXPECT_EQ(DeviceClock().At(1), std::nullopt);
}

TEST(DeviceClock, TheEventThatWasLeastLateCounts) {
  DeviceClock clock;
  clock.Learn(1000, 1000 + kAhead + 400);
  EXPECT_EQ(clock.At(1000), 1000 + kAhead + 400);
  clock.Learn(2000, 2000 + kAhead + 30);
  clock.Learn(3000, 3000 + kAhead + 90'000);
  EXPECT_EQ(clock.At(3000), 3000 + kAhead + 30);
}

TEST(DeviceClock, ForgetsWithTimeHowLittleLateAnEventWas) {
  DeviceClock clock;
  clock.Learn(0, kAhead);
  const uint64_t later_ns = 1'000'000'000;
  const int64_t drift_ns = later_ns / DeviceClock::kDriftParts;
  EXPECT_EQ(clock.At(later_ns), static_cast<int64_t>(later_ns) + kAhead - drift_ns) << "in doubt";
  clock.Learn(later_ns, static_cast<int64_t>(later_ns) + kAhead + drift_ns + 1);
  EXPECT_EQ(clock.At(later_ns), static_cast<int64_t>(later_ns) + kAhead - drift_ns) << "late";
  clock.Learn(later_ns, static_cast<int64_t>(later_ns) + kAhead + drift_ns);
  EXPECT_EQ(clock.At(later_ns), static_cast<int64_t>(later_ns) + kAhead + drift_ns);
}

TEST(DeviceClock, FollowsAClockThatGoesSlower) {
  DeviceClock clock;
  for (uint64_t ns = 0; ns < 100'000'000'000; ns += 10'000'000) {
    clock.Learn(ns, static_cast<int64_t>(ns - ns / 100'000) + kAhead);
    ASSERT_EQ(clock.At(ns), static_cast<int64_t>(ns - ns / 100'000) + kAhead);
  }
}

TEST(DeviceClock, CountsFromAnotherStartOrAnew) {
  DeviceClock clock;
  clock.Learn(1000, 1000 + kAhead);
  clock.Rebase(kAhead);
  EXPECT_EQ(clock.At(1000), 1000);
  clock.Forget();
  EXPECT_EQ(clock.At(1000), std::nullopt);
  clock.Rebase(5);
  EXPECT_EQ(clock.At(1000), std::nullopt);
}

}  // namespace
}  // namespace farlane::server
