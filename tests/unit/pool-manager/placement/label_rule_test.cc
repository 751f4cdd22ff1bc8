// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/label_rule.h"

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

const std::vector<Label> kLabels = {{"zone", "a"}, {"tier", "gold"}};

bool One(const LabelRule& rule) {
  return Selects(std::vector<LabelRule>{rule}, kLabels);
}

TEST(LabelRule, MeansWhatItMeansInKubernetes) {
  EXPECT_TRUE(One({.key = "zone", .kind = LabelRule::Kind::kIn, .values = {"b", "a"}}));
  EXPECT_FALSE(One({.key = "zone", .kind = LabelRule::Kind::kIn, .values = {"b"}}));
  EXPECT_FALSE(One({.key = "zone", .kind = LabelRule::Kind::kNotIn, .values = {"a"}}));
  EXPECT_TRUE(One({.key = "rack", .kind = LabelRule::Kind::kNotIn, .values = {"a"}}));
  EXPECT_TRUE(One({.key = "tier", .kind = LabelRule::Kind::kExists}));
  EXPECT_FALSE(One({.key = "tier", .kind = LabelRule::Kind::kAbsent}));
  EXPECT_TRUE(One({.key = "rack", .kind = LabelRule::Kind::kAbsent}));
}

TEST(LabelRule, AllOfThemMustHold) {
  const std::vector<LabelRule> rules = {{.key = "zone", .kind = LabelRule::Kind::kExists},
                                        {.key = "rack", .kind = LabelRule::Kind::kExists}};
  EXPECT_FALSE(Selects(rules, kLabels));
  EXPECT_TRUE(Selects({}, kLabels));
}

TEST(Toleration, OfNoKeyToleratesEverything) {
  const Taint taint{.key = "gpu", .value = "reserved"};
  EXPECT_TRUE(Tolerates(std::vector<Toleration>{{}}, taint));
  EXPECT_TRUE(Tolerates(std::vector<Toleration>{{.key = "gpu"}}, taint));
  EXPECT_TRUE(Tolerates(std::vector<Toleration>{{.key = "gpu", .value = "reserved"}}, taint));
  EXPECT_FALSE(Tolerates(std::vector<Toleration>{{.key = "gpu", .value = "x"}}, taint));
  EXPECT_FALSE(Tolerates({}, taint));
}

TEST(MatchesName, StarsStandForAnything) {
  EXPECT_TRUE(MatchesName("*H100*", "NVIDIA H100 PCIe"));
  EXPECT_TRUE(MatchesName("nvidia a*", "NVIDIA A100"));
  EXPECT_TRUE(MatchesName("*a*b", "xaxbxb"));
  EXPECT_TRUE(MatchesName("*", ""));
  EXPECT_FALSE(MatchesName("H100", "NVIDIA H100"));
  EXPECT_FALSE(MatchesName("", "x"));
  EXPECT_FALSE(MatchesName("*a*b", "xaxbxc"));
}

}  // namespace
}  // namespace farlane::pool
