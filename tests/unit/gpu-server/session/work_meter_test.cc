// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/work_meter.h"

#include <gtest/gtest.h>

namespace farlane::server {
namespace {

constexpr uint64_t kUs = 1'000;

// A driver of events only: the test says when each is passed, in microseconds.
struct Script {
  std::vector<double> recorded_us;  // by event; the number of an event is its place here and 1
  double now_us = 0;
  double device_us = 0;  // events up to here are passed
};

Script* script = nullptr;  // of the running test: the driver's functions are plain ones

double& TimeOf(CUevent event) {
  return script->recorded_us[reinterpret_cast<size_t>(event) - 1];
}

CUresult Create(CUevent* event, unsigned int) {
  script->recorded_us.push_back(0);
  *event = reinterpret_cast<CUevent>(script->recorded_us.size());
  return CUDA_SUCCESS;
}

CUresult Record(CUevent event, CUstream) {
  TimeOf(event) = script->now_us;
  return CUDA_SUCCESS;
}

CUresult Query(CUevent event) {
  return TimeOf(event) <= script->device_us ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

CUresult Elapsed(float* ms, CUevent from, CUevent to) {
  *ms = static_cast<float>((TimeOf(to) - TimeOf(from)) / 1000);
  return CUDA_SUCCESS;
}

// Our clock is ahead of the device's by as much as anything.
constexpr double kAheadUs = 12'345;

uint64_t Clock() {
  return static_cast<uint64_t>((script->now_us + kAheadUs) * kUs);
}

class WorkMeterTest : public testing::Test {
 protected:
  WorkMeterTest() {
    script = &script_;
    table_.cuEventCreate = Create;
    table_.cuEventRecord = Record;
    table_.cuEventQuery = Query;
    table_.cuEventElapsedTime = Elapsed;
  }

  ~WorkMeterTest() override { script = nullptr; }

  // One command on a stream, on the device from one time to another.
  void Command(size_t stream, double from_us, double to_us, uint64_t key = 1) {
    script_.now_us = from_us;
    meter_.Begin(context_, reinterpret_cast<CUstream>(stream));
    meter_.End(key, UINT64_MAX);
    script_.now_us = to_us;
    meter_.Close(context_.get());
  }

  void ReachTime(double us) {
    script_.device_us = us;
    meter_.Look(context_.get(), waits_);
  }

  // A look at the same, so much later by the clock.
  void LookAgainAfter(uint64_t ns) {
    waits_.now_ns += ns;
    meter_.Look(context_.get(), waits_);
  }

  Script script_;
  DriverTable table_{};
  ContextPtr context_ = std::make_shared<ContextState>(table_, nullptr, 0, true);
  WorkMeter meter_{table_, Clock};
  WorkMeter::Waits waits_{.now_ns = 1, .streams = true, .graphs = false};
};

TEST_F(WorkMeterTest, NothingIsChargedBeforeItIsDone) {
  Command(1, 0, 400);
  ReachTime(399);
  EXPECT_EQ(meter_.in_flight(), 1u);
  EXPECT_EQ(meter_.used_ns(), 0u);
  ReachTime(400);
  EXPECT_EQ(meter_.in_flight(), 0u);
  EXPECT_EQ(meter_.expected_ns(), 0u);
  EXPECT_NEAR(static_cast<double>(meter_.used_ns()), 400.0 * kUs, 1.0 * kUs);
}

TEST_F(WorkMeterTest, WorkOfSeveralStreamsIsChargedOnce) {
  Command(1, 0, 400);
  ReachTime(400);
  Command(1, 1000, 1400);
  Command(2, 1100, 1500);
  Command(3, 1200, 1300);
  ReachTime(2000);
  EXPECT_NEAR(static_cast<double>(meter_.used_ns()), 900.0 * kUs, 2.0 * kUs);
}

TEST_F(WorkMeterTest, TheOldestRunCountsFromWhenItWasSeenToBegin) {
  Command(1, 100, 900);
  Command(2, 100, 950);
  LookAgainAfter(10);
  EXPECT_EQ(meter_.begun_ns(), 0u) << "the device has not come to it";
  ReachTime(500);
  const uint64_t begun_ns = waits_.now_ns;
  EXPECT_EQ(meter_.begun_ns(), begun_ns);
  LookAgainAfter(1000);
  EXPECT_EQ(meter_.begun_ns(), begun_ns);
  ReachTime(900);
  EXPECT_EQ(meter_.begun_ns(), begun_ns + 1000) << "the first may have held up the second";
  ReachTime(950);
  EXPECT_EQ(meter_.begun_ns(), 0u);
}

TEST_F(WorkMeterTest, AGraphThatWaitsForTheProgramCountsFromWhenItGoesOn) {
  script_.now_us = 0;
  meter_.Begin(context_, reinterpret_cast<CUstream>(1));
  meter_.End(1, 0, true);
  script_.recorded_us.back() = 900;
  ReachTime(1);
  EXPECT_EQ(meter_.begun_ns(), waits_.now_ns);
  waits_.graphs = true;
  LookAgainAfter(1000);
  EXPECT_EQ(meter_.begun_ns(), 0u);
  waits_.graphs = false;
  LookAgainAfter(1000);
  EXPECT_EQ(meter_.begun_ns(), waits_.now_ns);
}

TEST_F(WorkMeterTest, ManySecondsDoNotBlurIt) {
  for (int i = 0; i < 100'000; ++i) {
    Command(1, i * 1000.0, i * 1000.0 + 20);
    ReachTime(i * 1000.0 + 20);
  }
  EXPECT_NEAR(static_cast<double>(meter_.used_ns()), 2'000'000.0 * kUs, 20'000.0 * kUs);
}

TEST_F(WorkMeterTest, WhatACommandTakesIsLearnt) {
  Command(1, 0, 50, 7);
  EXPECT_EQ(meter_.expected_ns(), WorkMeter::kUnknownNs);
  ReachTime(50);
  Command(1, 100, 150, 7);
  EXPECT_NEAR(static_cast<double>(meter_.expected_ns()), 50.0 * kUs, 1.0 * kUs);
  Command(1, 200, 250, 8);
  EXPECT_NEAR(static_cast<double>(meter_.expected_ns()), 50.0 * kUs + WorkMeter::kUnknownNs,
              1.0 * kUs);
}

TEST_F(WorkMeterTest, WhatLooksLongNowAndThenIsNotBelieved) {
  double now_us = 0;
  for (int i = 0; i < 50; ++i) {
    const double takes_us = i % 2 == 0 ? 50 : 5'000;
    Command(1, now_us, now_us + takes_us, 7);
    now_us += 10'000;
    ReachTime(now_us);
  }
  EXPECT_LT(meter_.asked_ns(), 50 * 100 * kUs) << "nor has it been asked for";
  EXPECT_GT(meter_.used_ns(), 25 * 5'000 * kUs);
  Command(1, now_us, now_us + 50, 7);
  EXPECT_LT(meter_.expected_ns(), 100 * kUs);
  for (int i = 0; i < 200; ++i) {
    now_us += 10'000;
    ReachTime(now_us);
    Command(1, now_us, now_us + 500, 7);
  }
  EXPECT_GT(meter_.expected_ns(), 450 * kUs) << "but what stays long is";
}

TEST_F(WorkMeterTest, WhatAProgramThinksBetweenItsCommandsIsNotWork) {
  Command(1, 0, 10, 7);
  script_.device_us = 500;  // it is done, and nobody has looked
  Command(1, 500, 510, 7);
  script_.device_us = 1000;
  Command(1, 1000, 1010, 7);
  ReachTime(2000);
  EXPECT_NEAR(static_cast<double>(meter_.used_ns()), 30.0 * kUs, 1.0 * kUs);
}

TEST_F(WorkMeterTest, CommandsOfOneRunShareWhatItTook) {
  script_.now_us = 0;
  for (int i = 0; i < 10; ++i) {
    meter_.Begin(context_, reinterpret_cast<CUstream>(1));
    meter_.End(7, UINT64_MAX);
  }
  script_.now_us = 200;
  meter_.Close(context_.get());
  ReachTime(200);
  Command(1, 300, 320, 7);
  EXPECT_NEAR(static_cast<double>(meter_.expected_ns()), 20.0 * kUs, 1.0 * kUs);
}

TEST_F(WorkMeterTest, WhatAStreamHasNotComeToIsNotUnderWay) {
  Command(1, 100, 200);
  ReachTime(50);
  EXPECT_EQ(meter_.in_flight(), 1u) << "it may still come to it";
  LookAgainAfter(WorkMeter::kBeginNs);
  EXPECT_EQ(meter_.in_flight(), 0u);
  EXPECT_EQ(meter_.expected_ns(), 0u);
  EXPECT_TRUE(meter_.any());
  Command(1, 200, 300);
  EXPECT_EQ(meter_.in_flight(), 0u) << "what comes behind it waits as well";
  Command(2, 20, 250);
  EXPECT_EQ(meter_.in_flight(), 1u) << "another stream does not";
  ReachTime(100);
  EXPECT_EQ(meter_.in_flight(), 3u);
  ReachTime(300);
  EXPECT_EQ(meter_.in_flight(), 0u);
  EXPECT_FALSE(meter_.any());
  EXPECT_EQ(meter_.commands(), 3u);
}

TEST_F(WorkMeterTest, WithoutAnybodyWhoMakesStreamsWaitTheDeviceIsLate) {
  waits_.streams = false;
  Command(1, 100, 200);
  ReachTime(50);
  LookAgainAfter(10 * WorkMeter::kBeginNs);
  EXPECT_EQ(meter_.in_flight(), 1u);
}

TEST_F(WorkMeterTest, AWaitBetweenTwoRunsIsNotCharged) {
  Command(1, 0, 100);
  ReachTime(50);
  meter_.Part(context_.get());  // the stream waits for something from 100 to 900
  Command(1, 900, 1000);
  ReachTime(1000);
  EXPECT_NEAR(static_cast<double>(meter_.used_ns()), 200.0 * kUs, 2.0 * kUs);
}

TEST_F(WorkMeterTest, AGraphThatWaitsForTheProgramIsNotUnderWay) {
  script_.now_us = 0;
  meter_.Begin(context_, reinterpret_cast<CUstream>(1));
  meter_.End(1, UINT64_MAX, true);
  script_.now_us = 500;
  meter_.Close(context_.get());
  ReachTime(100);
  EXPECT_EQ(meter_.in_flight(), 1u);
  waits_.graphs = true;
  ReachTime(100);
  EXPECT_EQ(meter_.in_flight(), 0u);
  waits_.graphs = false;
  ReachTime(100);
  EXPECT_EQ(meter_.in_flight(), 1u);
}

// The driver tells late that a run is done, and the next one begins where that one ended.
TEST_F(WorkMeterTest, WhatADeviceDoesNotDoBeforeItIsGivenACommandIsNotCharged) {
  Command(1, 0, 400);
  ReachTime(400);
  Command(1, 1000, 1400);
  ReachTime(1399);
  Command(1, 1500, 1600);
  ReachTime(2000);
  EXPECT_NEAR(static_cast<double>(meter_.used_ns()), 900.0 * kUs, 1.0 * kUs);
}

TEST_F(WorkMeterTest, ACommandThatWasGivenInTimeIsChargedFromTheEndOfTheOneBeforeIt) {
  Command(1, 0, 400);
  ReachTime(400);
  Command(1, 1000, 1400);
  script_.now_us = 1200;
  ReachTime(1200);
  meter_.Begin(context_, reinterpret_cast<CUstream>(1));
  meter_.End(1, UINT64_MAX);
  script_.now_us = 1600;
  meter_.Close(context_.get());
  ReachTime(2000);
  EXPECT_NEAR(static_cast<double>(meter_.used_ns()), 1000.0 * kUs, 1.0 * kUs);
}

TEST_F(WorkMeterTest, WhatIsLearntOfACommandIsWithoutWhatTheDriverWasLateToTell) {
  Command(1, 0, 100, 5);
  ReachTime(100);
  for (int i = 1; i < 100; ++i) {
    const double at_us = i * 1000;
    Command(1, at_us, at_us + 100, 6);
    ReachTime(at_us + 99);
    Command(1, at_us + 300, at_us + 400, 5);
    ReachTime(at_us + 400);
  }
  script_.now_us = 200'000;
  meter_.Begin(context_, reinterpret_cast<CUstream>(1));
  meter_.End(5, UINT64_MAX);
  EXPECT_NEAR(static_cast<double>(meter_.expected_ns()), 100.0 * kUs, 5.0 * kUs);
}

TEST_F(WorkMeterTest, AContextThatGoesTakesItsRunsAlong) {
  Command(1, 0, 400);
  meter_.Forget(context_);
  EXPECT_EQ(meter_.in_flight(), 0u);
  EXPECT_EQ(meter_.used_ns(), WorkMeter::kUnknownNs);
}

}  // namespace
}  // namespace farlane::server
