// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/trip_meter.h"

#include <chrono>
#include <thread>

#include <gtest/gtest.h>

namespace farlane::server {
namespace {

TEST(TripMeter, AnAnswerThatIsTakenIsATrip) {
  TripMeter meter;
  EXPECT_FALSE(meter.NoteTaken(5)) << "nothing was answered";
  EXPECT_EQ(meter.rtt_ns(), 0U);
  meter.NoteAnswer(6);
  EXPECT_FALSE(meter.NoteTaken(5));
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_TRUE(meter.NoteTaken(6));
  EXPECT_FALSE(meter.NoteTaken(6)) << "once";
  EXPECT_EQ(meter.trips(), 1U);
  EXPECT_GE(meter.rtt_ns(), 2'000'000U);
}

TEST(TripMeter, AnswersBehindOneAnotherAreOneTrip) {
  TripMeter meter;
  for (wire::Sequence number = 1; number <= 10; ++number) {
    meter.NoteAnswer(number);
  }
  EXPECT_TRUE(meter.NoteTaken(10));
  EXPECT_EQ(meter.trips(), 1U);
  meter.NoteAnswer(0);  // was too long to be sent
  EXPECT_FALSE(meter.NoteTaken(11));
}

TEST(TripMeter, TheShortestOfTheLastOnesCounts) {
  TripMeter meter;
  auto trip = [&meter, number = wire::Sequence{0}](int milliseconds) mutable {
    meter.NoteAnswer(++number);
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    meter.NoteTaken(number);
  };
  trip(5);
  trip(0);
  EXPECT_LT(meter.rtt_ns(), 5'000'000U);
  // The way has become longer: after two windows nothing else is known.
  for (uint32_t i = 0; i < 2 * TripMeter::kWindowTrips; ++i) {
    trip(1);
  }
  EXPECT_GE(meter.rtt_ns(), 1'000'000U);
}

}  // namespace
}  // namespace farlane::server
