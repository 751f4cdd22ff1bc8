// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/link_estimate.h"

#include <array>

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

LinkEstimate Link(double rtt_s, Evidence evidence, double error, double age_s = 0) {
  return {.rtt_s = rtt_s, .age_s = age_s, .error = error, .evidence = evidence};
}

TEST(EffectiveRtt, CountsBadMomentsAndLoss) {
  EXPECT_DOUBLE_EQ(EffectiveRtt({.p50_s = 1e-3, .p90_s = 3e-3}), 2e-3);
  EXPECT_DOUBLE_EQ(EffectiveRtt({.p50_s = 1e-3, .p90_s = 1e-3, .loss = 0.01}), 3e-3);
  EXPECT_DOUBLE_EQ(EffectiveRtt({.p50_s = 2e-3, .p90_s = 1e-3}), 2e-3);
}

TEST(PickEvidence, TakesWhatIsLeastOffByNow) {
  const LinkEstimate guessed = Link(1, Evidence::kLabels, 1);
  const LinkEstimate seen = Link(2, Evidence::kPassive, 0.1);
  EXPECT_DOUBLE_EQ(PickEvidence(std::array{guessed, seen}).rtt_s, 2);

  const LinkEstimate long_ago = Link(2, Evidence::kPassive, 0.1, 3600);
  EXPECT_DOUBLE_EQ(PickEvidence(std::array{guessed, long_ago}).rtt_s, 1);
}

TEST(PickEvidence, PrefersTheBetterKindWhereErrorsAreEqual) {
  const LinkEstimate probed = Link(1, Evidence::kProbe, 0.1);
  const LinkEstimate seen = Link(2, Evidence::kPassive, 0.1);
  EXPECT_DOUBLE_EQ(PickEvidence(std::array{seen, probed}).rtt_s, 2);
  EXPECT_EQ(PickEvidence({}).evidence, Evidence::kNone);
}

}  // namespace
}  // namespace farlane::pool
