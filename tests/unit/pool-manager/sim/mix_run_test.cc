// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/sim/mix_run.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace farlane::pool::sim {
namespace {

// Small enough for every run, large enough that ten zones have something to give.
constexpr uint32_t kServers = 400;
constexpr uint32_t kJobs = 24'000;

std::vector<Job> Jobs(Mix mix, double load, uint64_t seed) {
  return MakeMix({.mix = mix, .seed = seed, .load = load, .gpus = kServers * 8, .jobs = kJobs});
}

MixResult Play(Rule rule, const std::vector<Job>& jobs, uint64_t seed) {
  return RunMix(World({.servers = kServers, .seed = seed}), jobs, rule, {});
}

// Round trips are measured 30 % off and programs called what they are not, as always here.
TEST(MixRun, WhereNearIsScarceForecastsLoseAQuarterOfWhatTheNearestRuleDoes) {
  for (const uint64_t seed : {7, 42}) {
    const std::vector<Job> jobs = Jobs(Mix::kHard, 1.0, seed);
    const MixResult ours = Play(Rule::kFarlane, jobs, seed);
    const MixResult nearest = Play(Rule::kNearest, jobs, seed);
    EXPECT_LE(ours.mean, 0.25 * nearest.mean) << seed;
    EXPECT_LE(ours.refused, nearest.refused + kJobs / 100) << seed;
  }
}

TEST(MixRun, ThePriceOfNearCapacityIsWhatDoesIt) {
  const std::vector<Job> jobs = Jobs(Mix::kHard, 1.0, 42);
  EXPECT_GT(Play(Rule::kGreedy, jobs, 42).mean, 2 * Play(Rule::kFarlane, jobs, 42).mean);
}

TEST(MixRun, WhereThereIsRoomItIsAsGoodAsTheBestSimpleRule) {
  for (const uint64_t seed : {7, 42}) {
    const std::vector<Job> jobs = Jobs(Mix::kEasy, 0.95, seed);
    const double best =
        std::min({Play(Rule::kNearest, jobs, seed).mean, Play(Rule::kLeastLoaded, jobs, seed).mean,
                  Play(Rule::kFixedWeights, jobs, seed).mean});
    EXPECT_LE(Play(Rule::kFarlane, jobs, seed).mean, 1.05 * best) << seed;
  }
}

TEST(MixRun, ForecastsComeTrueOnceAProgramIsKnown) {
  for (const Mix mix : {Mix::kEasy, Mix::kHard}) {
    const MixResult ours = Play(Rule::kFarlane, Jobs(mix, 0.95, 42), 42);
    EXPECT_GT(ours.forecasts, 1000U);
    EXPECT_LE(ours.forecast_error, 0.25);
    // ... and not before, or the test would say nothing.
    EXPECT_GT(ours.new_app_error, ours.forecast_error);
  }
}

TEST(MixRun, TheSameSeedGivesTheSameNumbers) {
  const std::vector<Job> jobs = MakeMix({.seed = 3, .gpus = 160, .jobs = 500});
  const World world({.servers = 20, .seed = 3});
  EXPECT_EQ(RunMix(world, jobs, Rule::kFarlane, {}).mean,
            RunMix(world, jobs, Rule::kFarlane, {}).mean);
}

}  // namespace
}  // namespace farlane::pool::sim
