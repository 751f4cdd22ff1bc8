// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/busy_share.h"

#include <gtest/gtest.h>

namespace farlane::server {
namespace {

constexpr uint64_t kStart = 77'000'000'000;
constexpr uint64_t kTick = 50'000'000;

TEST(BusyShare, IsThePartOfTheLastSecondThatWasSeenBusy) {
  BusyShare share;
  uint64_t now = kStart;
  share.Note(now, true);
  EXPECT_EQ(share.percent(), 0u) << "nothing is known of the time before";
  for (int i = 0; i < 10; ++i) {
    share.Note(now += kTick, true);
  }
  EXPECT_EQ(share.percent(), 50u);
  for (int i = 0; i < 10; ++i) {
    share.Note(now += kTick, true);
  }
  EXPECT_EQ(share.percent(), 100u);
  for (int i = 0; i < 15; ++i) {
    share.Note(now += kTick, false);
  }
  EXPECT_EQ(share.percent(), 25u);
  for (int i = 0; i < 5; ++i) {
    share.Note(now += kTick, false);
  }
  EXPECT_EQ(share.percent(), 0u);
}

TEST(BusyShare, ALateLookCountsForAllTheTimeSinceTheLast) {
  BusyShare share;
  share.Note(kStart, false);
  share.Note(kStart + 5 * BusyShare::kWindowNs, true);
  EXPECT_EQ(share.percent(), 100u);
  share.Note(kStart + 5 * BusyShare::kWindowNs + BusyShare::kWindowNs / 4, false);
  EXPECT_EQ(share.percent(), 75u);
}

TEST(BusyShare, WorksFromTheFirstNanosecondOfTheClock) {
  BusyShare share;
  share.Note(1, true);
  share.Note(BusyShare::kWindowNs / 2 + 1, true);
  EXPECT_EQ(share.percent(), 50u);
}

}  // namespace
}  // namespace farlane::server
