// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/policy_check/policy_trial.h"

#include <gtest/gtest.h>

#include "gpu-server/arbiter/policy_library.h"

namespace farlane::server {
namespace {

constexpr uint64_t kDecisions = 60'000;
constexpr size_t kSessions = 8;

PolicySeat Policy(const std::string& option) {
  return LoadPolicy(option, PROGRAM_FOLDER).value();
}

PolicyTrial::Report Try(const PolicySeat& policy, PolicyTrial::Scene scene, uint64_t seed) {
  return PolicyTrial(policy, scene, kSessions, seed).Run(kDecisions);
}

TEST(PolicyTrial, OursKeepTheRulesAndTheShares) {
  for (const char* option : {"built-in", "strict"}) {
    const PolicySeat policy = Policy(option);
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      const auto equal = Try(policy, PolicyTrial::Scene::kEqual, seed);
      EXPECT_EQ(equal.fault, "") << option;
      EXPECT_LE(equal.share_error, 0.02) << option << " " << seed;
      EXPECT_GE(equal.jain, 0.999) << option << " " << seed;
      const auto weights = Try(policy, PolicyTrial::Scene::kWeights, seed);
      EXPECT_EQ(weights.fault, "") << option;
      // A run is some ten rounds of all: the last turn shows.
      EXPECT_LE(weights.share_error, 0.06) << option << " " << seed;
      EXPECT_EQ(Try(policy, PolicyTrial::Scene::kMixed, seed).fault, "") << option;
    }
  }
}

TEST(PolicyTrial, TheSameSeedGivesTheSameRun) {
  const auto first = Try(PolicySeat(), PolicyTrial::Scene::kMixed, 3);
  const auto second = Try(PolicySeat(), PolicyTrial::Scene::kMixed, 3);
  const auto other = Try(PolicySeat(), PolicyTrial::Scene::kMixed, 4);
  EXPECT_EQ(first.changes, second.changes);
  EXPECT_EQ(first.wait_ns[2], second.wait_ns[2]);
  EXPECT_NE(first.changes, other.changes);
}

// What "strict" is for.
TEST(PolicyTrial, WithStrictClassesGuaranteedSessionsWaitLess) {
  const auto built_in = Try(PolicySeat(), PolicyTrial::Scene::kMixed, 2);
  const auto strict = Try(Policy("strict"), PolicyTrial::Scene::kMixed, 2);
  EXPECT_GT(built_in.wait_ns[3], 0u);
  EXPECT_LT(strict.wait_ns[3], built_in.wait_ns[3]);
}

TEST(PolicyTrial, FindsEachBrokenRule) {
  constexpr const char* kWrongs[][2] = {
      {"place", "gives a turn to the session at place 8 of 8"},
      {"idle", "which may not run"},
      {"no_credit", "less than a turn is worth"},
      {"much_credit", "more than a turn may be"},
      {"keeps", "keeps a turn that is over"},
      {"silent", "which is no verdict"},
      {"sleepy", "took more than a millisecond"},
      {"fickle", "two answers to the same view"},
      {"writes", "changes what it is shown"},
  };
  for (const auto& [how, says] : kWrongs) {
    const PolicySeat wrong = Policy(std::string(WRONG_POLICIES "/") + how + ".so");
    const auto report = Try(wrong, PolicyTrial::Scene::kMixed, 1);
    EXPECT_NE(report.fault.find(says), std::string::npos) << how << ": " << report.fault;
  }
}

}  // namespace
}  // namespace farlane::server
