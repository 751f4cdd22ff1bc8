// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/expression_rules.h"

#include <cmath>

#include "tests/unit/pool-manager/placement/small_cluster.h"

namespace farlane::pool {
namespace {

class Rules : public ::testing::Test {
 protected:
  Rules() {
    near_ = cluster_.Add({.id = "near", .model = "A100"});
    far_ = cluster_.Add({.id = "far", .zone = "b", .labels = {{"tier", "gold"}}});
  }

  Decision Ask(const std::string& filter, const std::string& score) {
    const Result<ExpressionRules> rules = ExpressionRules::Read(filter, score);
    EXPECT_TRUE(rules.ok()) << rules.error().message();
    return Decide(cluster_.view, cluster_.Network(), HalfAGpu(), {}, &*rules);
  }

  SmallCluster cluster_;
  uint32_t near_ = 0, far_ = 0;
};

TEST_F(Rules, AFilterKeepsOutAndIsCounted) {
  EXPECT_EQ(ServerOf(Ask("", "")), near_);
  const Decision decision = Ask("gpu.model == \"H100\"", "");
  EXPECT_EQ(ServerOf(decision), far_);
  EXPECT_EQ(decision.rejections.Of(Reason::kPolicyFilter), 1U);
  EXPECT_EQ(ServerOf(Ask("label(\"tier\") == \"gold\" && gpu.memory > 70", "")), far_);
  EXPECT_FALSE(Ask("link.rtt_ms < 0.001", "").placed);
}

TEST_F(Rules, AScoreTurnsTheOrder) {
  EXPECT_EQ(ServerOf(Ask("", "0 - net")), far_);
  EXPECT_EQ(ServerOf(Ask("", "score")), near_);
  const Decision decision = Ask("", "score + (gpu.model == \"A100\" ? 9 : 0)");
  EXPECT_EQ(ServerOf(decision), far_);
  EXPECT_NEAR(decision.candidates.back().terms.rules, 9, 1e-9);
}

TEST_F(Rules, ScoresThatAreNoneAreTheWorst) {
  EXPECT_EQ(ServerOf(Ask("", "gpu.model == \"A100\" ? 0/0 : 1")), far_);
  EXPECT_EQ(ServerOf(Ask("", "gpu.model == \"A100\" ? 1/0 : 1")), far_);
  EXPECT_TRUE(Ask("", "0/0").placed);
}

TEST_F(Rules, AFilterMayNotAskForWhatIsNotKnownYet) {
  const Result<ExpressionRules> rules = ExpressionRules::Read("net < 1", "");
  ASSERT_FALSE(rules.ok());
  EXPECT_EQ(rules.error().message(),
            "while reading the policy's filter: column 1 of the expression: there is no \"net\" to "
            "ask for");
}

TEST_F(Rules, EveryNameCanBeAskedFor) {
  for (const ExpressionName& one : ExpressionRules::ScoreNames()) {
    const std::string name(one.name);
    const std::string score = one.kind == ValueKind::kNumber ? name
                              : one.kind == ValueKind::kText ? "(" + name + " == 'x' ? 1 : 2)"
                                                             : "(" + name + " ? 1 : 2)";
    EXPECT_TRUE(std::isfinite(Ask("", score).chosen().score)) << name;
  }
}

TEST(CheckedScore, IsFinite) {
  EXPECT_EQ(CheckedScore(NAN), kScoreMost);
  EXPECT_EQ(CheckedScore(INFINITY), kScoreMost);
  EXPECT_EQ(CheckedScore(-INFINITY), -kScoreMost);
  EXPECT_EQ(CheckedScore(0.25), 0.25);
}

}  // namespace
}  // namespace farlane::pool
