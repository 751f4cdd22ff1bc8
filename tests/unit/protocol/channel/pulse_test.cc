// SPDX-License-Identifier: Apache-2.0
#include "protocol/channel/pulse.h"

#include <gtest/gtest.h>

namespace farlane::channel {
namespace {

using Finding = Pulse::Finding;

TEST(Pulse, SilenceIsSuspectedOnceAndLostAtTheEndOfTheGrace) {
  Pulse pulse(60);
  EXPECT_EQ(pulse.Look(100), Finding::kAlive);
  for (uint32_t look = 1; look < 60; ++look) {
    EXPECT_EQ(pulse.Look(100), look == 5 ? Finding::kSuspected : Finding::kAlive) << look;
  }
  EXPECT_EQ(pulse.Look(100), Finding::kLost);
}

TEST(Pulse, OneSignStartsAnewAndIsToldAfterASuspicion) {
  Pulse pulse(60);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(pulse.Look(0), Finding::kAlive);
  }
  EXPECT_EQ(pulse.Look(1), Finding::kAlive);
  for (int i = 0; i < 5; ++i) {
    static_cast<void>(pulse.Look(1));
  }
  EXPECT_EQ(pulse.Look(2), Finding::kBack);
  EXPECT_EQ(pulse.Look(3), Finding::kAlive);
  for (uint32_t look = 1; look < 60; ++look) {
    EXPECT_NE(pulse.Look(3), Finding::kLost) << look;
  }
}

TEST(Pulse, AShortGraceIsNotShorterThanItself) {
  Pulse pulse(2);
  EXPECT_EQ(pulse.Look(7), Finding::kAlive);
  EXPECT_EQ(pulse.Look(7), Finding::kAlive);
  EXPECT_EQ(pulse.Look(7), Finding::kLost);
}

TEST(Pulse, WithoutAGraceNobodyIsGivenUp) {
  Pulse pulse(0);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(pulse.Look(0), Finding::kAlive);
  }
  EXPECT_EQ(pulse.Look(1), Finding::kAlive);
}

TEST(Pulse, ASignIsDueOnlyWhenNothingElseWasSent) {
  Pulse pulse(60);
  EXPECT_FALSE(pulse.MustSpeak(10));
  EXPECT_TRUE(pulse.MustSpeak(10));
  pulse.NoteSpoken(34);
  EXPECT_TRUE(pulse.MustSpeak(34));
  EXPECT_FALSE(pulse.MustSpeak(100));
}

}  // namespace
}  // namespace farlane::channel
