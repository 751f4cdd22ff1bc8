// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/app_profile.h"

#include <limits>

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

SessionFacts Facts(double calls, uint32_t devices = 1) {
  return {.wall_s = 100,
          .busy_gpu_s = 50.0 * devices,
          .blocking_calls = calls * 50,
          .bytes_moved = 1e6 * 50,
          .working_set_bytes = 1e9,
          .devices = devices};
}

TEST(AppProfile, FirstSessionReplacesWhatWasGuessed) {
  AppProfile profile = AppProfile::OfClass(AppClass::kInteractive);
  profile.Learn(Facts(40));

  EXPECT_DOUBLE_EQ(profile.calls_per_gpu_s.mean, 40);
  EXPECT_DOUBLE_EQ(profile.bytes_per_gpu_s.mean, 1e6);
  EXPECT_DOUBLE_EQ(profile.busy.mean, 0.5);
  EXPECT_EQ(profile.sessions, 1U);
}

TEST(AppProfile, FollowsAProgramThatHasChanged) {
  AppProfile profile = AppProfile::OfClass(AppClass::kTrain);
  for (int i = 0; i < 50; ++i) {
    profile.Learn(Facts(100));
  }
  EXPECT_NEAR(profile.calls_per_gpu_s.variance, 0, 1);
  for (int i = 0; i < 10; ++i) {
    profile.Learn(Facts(1000));
  }
  EXPECT_GT(profile.calls_per_gpu_s.mean, 850);
  EXPECT_GT(profile.calls_per_gpu_s.variance, 1000);
}

TEST(AppProfile, OneCallHoldsUpAllDevices) {
  AppProfile profile;
  profile.Learn(Facts(40, 4));
  EXPECT_DOUBLE_EQ(profile.calls_per_gpu_s.mean, 40);
  EXPECT_DOUBLE_EQ(profile.busy.mean, 0.5);
}

TEST(AppProfile, LearnsWhatCompanyCosts) {
  AppProfile profile = AppProfile::OfClass(AppClass::kInfer);
  SessionFacts facts = Facts(40);
  profile.Learn(facts);
  EXPECT_DOUBLE_EQ(profile.switching.mean, 0.15) << "it was alone";

  facts.others_busy = 0.7;
  facts.contention_s = 50 * (0.2 + 0.6 * 0.7 * 0.5);
  for (int i = 0; i < 50; ++i) {
    profile.Learn(facts);
  }
  EXPECT_NEAR(profile.switching.mean, 0.6, 1e-3);
}

TEST(AppProfile, LearnsNothingFromWhatSaysNothing) {
  AppProfile profile;
  profile.Learn({.wall_s = 10, .busy_gpu_s = 0.001, .blocking_calls = 5});
  profile.Learn({.wall_s = 10, .busy_gpu_s = 1, .blocking_calls = -5});
  profile.Learn({.wall_s = 10, .busy_gpu_s = std::numeric_limits<double>::quiet_NaN()});
  profile.Learn({.wall_s = 0, .busy_gpu_s = 1});
  EXPECT_EQ(profile.sessions, 0U);
}

TEST(AppClass, UnknownWordsAreTheMostCareful) {
  EXPECT_EQ(AppClassOf("train"), AppClass::kTrain);
  EXPECT_EQ(AppClassOf("what"), AppClass::kInteractive);
  EXPECT_STREQ(AppClassName(AppClassOf("infer")), "infer");
}

}  // namespace
}  // namespace farlane::pool
