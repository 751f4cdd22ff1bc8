// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/sim/job.h"

#include <array>

#include <gtest/gtest.h>

namespace farlane::pool::sim {
namespace {

TEST(Trace, IsReadAsItWasWritten) {
  const std::vector<Job> jobs = MakeMix({.mix = Mix::kHard, .gpus = 80, .jobs = 200});
  const std::string csv = WriteTrace(jobs);
  const Result<std::vector<Job>> read = ReadTrace(csv);
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(WriteTrace(*read), csv);
  ASSERT_EQ(read->size(), 200U);
  EXPECT_EQ(read->front().app, jobs.front().app);
}

TEST(Trace, WhatIsNoTraceIsRefusedWithItsLine) {
  EXPECT_EQ(ReadTrace("1,2,3\n").error().message(),
            "line 1 of the trace has 3 fields instead of 11");
  EXPECT_EQ(ReadTrace("0,1,0,0,a,train,0.5,1,x,1,0.5").error().message(),
            "line 1 of the trace has \"x\" where a number belongs");
  EXPECT_FALSE(ReadTrace("0,1,0,0,a,train,1.5,1,1,1,0.5").ok());
  EXPECT_FALSE(ReadTrace("0,1,0,0,a,train,nan,1,1,1,0.5").ok());
  EXPECT_FALSE(ReadTrace("5,1,0,0,a,train,1,1,1,1,0.5\n4,1,0,0,a,train,1,1,1,1,0.5").ok());
  EXPECT_TRUE(ReadTrace("").ok());
}

TEST(Mix, HasTheClassesInTheirParts) {
  const std::vector<Job> jobs = MakeMix({.gpus = 800, .jobs = 20'000});
  std::array<double, 3> parts{};
  for (const Job& job : jobs) {
    parts[static_cast<size_t>(job.app_class)] += 1.0 / 20'000;
  }
  EXPECT_NEAR(parts[static_cast<size_t>(AppClass::kTrain)], 0.40, 0.02);
  EXPECT_NEAR(parts[static_cast<size_t>(AppClass::kInfer)], 0.45, 0.02);
  EXPECT_NEAR(parts[static_cast<size_t>(AppClass::kInteractive)], 0.15, 0.02);
}

}  // namespace
}  // namespace farlane::pool::sim
