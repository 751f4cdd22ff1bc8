// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/near_room.h"

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

constexpr uint32_t kHalf = kWholeShare / 2;
constexpr uint32_t kQuarter = kWholeShare / 4;

// Forty devices of which `full` have a quarter left, and the others half.
NearRoom RoomWith(uint32_t full) {
  NearRoom room;
  for (uint32_t i = 0; i < 40; ++i) {
    room.AddDevice(i < full ? kWholeShare - kQuarter : kHalf);
  }
  return room;
}

void Ask(NearRoom* room, double loss, uint32_t share, int times = 20) {
  for (int i = 0; i < times; ++i) {
    room->NoteAsked(loss, share);
  }
}

TEST(NearRoom, CountsDevicesOnWhichASizeFits) {
  NearRoom room = RoomWith(30);
  EXPECT_EQ(room.devices_count(), 40U);
  EXPECT_EQ(room.FittingFor(kHalf), 10U);
  EXPECT_EQ(room.FittingFor(kQuarter), 40U);
  EXPECT_EQ(room.FittingFor(kHalf + 1), 0U);
  room.Change(kHalf, kWholeShare);
  EXPECT_EQ(room.FittingFor(kHalf), 9U);
  room.Change(kWholeShare, 0);
  EXPECT_EQ(room.FittingFor(kWholeShare), 1U);
  room.DropDevice(0);
  EXPECT_EQ(room.devices_count(), 39U);
  EXPECT_EQ(room.FittingFor(kHalf), 9U);
}

TEST(NearRoom, PiecesThatAreTooSmallAreNoRoomAndTheLastLargeOnesAreDear) {
  NearRoom plenty = RoomWith(30), few = RoomWith(38);
  Ask(&plenty, 16, kHalf);
  Ask(&few, 16, kHalf);
  EXPECT_EQ(plenty.PriceOf(kHalf, kQuarter), 0) << "a quarter of the devices have room";
  EXPECT_NEAR(few.PriceOf(kHalf, kQuarter), 0.8 * 16, 1e-9) << "two of ten";
  // Where only a quarter is left nobody loses the room for a half.
  EXPECT_EQ(few.PriceOf(kWholeShare - kQuarter, kQuarter), 0);
  // And whoever needs the half himself pays less than he would lose elsewhere.
  EXPECT_NEAR(few.PriceOf(kHalf, kHalf), 0.3 * 0.8 * 16, 1e-9);
}

TEST(NearRoom, WhatIsSeldomAskedForKeepsLittleBack) {
  NearRoom room = RoomWith(38);
  Ask(&room, 16, kHalf);
  const double often = room.PriceOf(kHalf, kQuarter);
  Ask(&room, 0, kQuarter, 200);
  EXPECT_LT(room.PriceOf(kHalf, kQuarter), often / 2);
}

TEST(NearRoom, OneWildProfileDoesNotSetThePrice) {
  NearRoom room = RoomWith(38);
  Ask(&room, 1e9, kHalf, 1);
  EXPECT_EQ(room.PriceOf(kHalf, kQuarter), 0);
  Ask(&room, 1, kHalf);
  Ask(&room, 1e9, kHalf, 1);
  EXPECT_LT(room.PriceOf(kHalf, kQuarter), 1);
  room.NoteAsked(-1, kHalf);
  room.NoteAsked(1.0 / 0.0, kHalf);
  EXPECT_LT(room.PriceOf(kHalf, kQuarter), 1);
}

}  // namespace
}  // namespace farlane::pool
