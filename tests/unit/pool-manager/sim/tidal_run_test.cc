// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/sim/tidal_run.h"

#include <gtest/gtest.h>

namespace farlane::pool::sim {
namespace {

TEST(TidalRun, TrainingFillsTheDayAndNobodyWaitsLong) {
  const TidalResult result = RunTidal({}, {});
  EXPECT_GE(result.utilisation, 0.80);
  EXPECT_LE(result.wait_p95_s, 300);
  EXPECT_GT(result.sessions, 1000U);
}

TEST(TidalRun, ForgottenSessionsGiveBackWithinHalfAnHour) {
  const TidalResult result = RunTidal({}, {});
  EXPECT_GT(result.reclaimed, 20U);
  EXPECT_LE(result.reclaim_max_s, 1800);

  TidalOptions never;
  never.idle.reclaim_after_s = 0;
  const TidalResult kept = RunTidal(never, {});
  EXPECT_EQ(kept.reclaimed, 0U);
  EXPECT_GT(kept.wait_p95_s, result.wait_p95_s);
}

TEST(TidalRun, TrainingThatFillsNothingWaitsForHours) {
  TidalOptions solid;
  solid.training_fills = false;
  EXPECT_GT(RunTidal(solid, {}).wait_max_s, RunTidal({}, {}).wait_max_s + 3600);
}

}  // namespace
}  // namespace farlane::pool::sim
