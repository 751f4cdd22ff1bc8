// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/reason.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

TEST(Reason, HasACodeOfItsOwnAndComesInTheOrderOfTheSteps) {
  std::set<std::string> codes;
  int step = 0;
  for (size_t i = 0; i < kReasonsCount; ++i) {
    const auto reason = static_cast<Reason>(i);
    codes.insert(ReasonCode(reason));
    EXPECT_GE(ReasonStep(reason), step);
    step = ReasonStep(reason);
    EXPECT_STRNE(ReasonText(reason), "");
  }
  EXPECT_EQ(codes.size(), kReasonsCount);
  EXPECT_EQ(step, 3);
}

TEST(Rejections, TellTheCommonestFirst) {
  Rejections rejections;
  rejections.Count(Reason::kFits);
  rejections.Count(Reason::kCordoned);
  rejections.Count(Reason::kRttTooHigh);
  rejections.Count(Reason::kRttTooHigh);

  EXPECT_EQ(rejections.Text(),
            "3 of 4 servers cannot take it: 2 further away than the request allows, 1 cordoned");
}

}  // namespace
}  // namespace farlane::pool
