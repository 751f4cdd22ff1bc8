// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/explain.h"

#include <gmock/gmock.h>

#include "tests/unit/pool-manager/placement/small_cluster.h"

namespace farlane::pool {
namespace {

using ::testing::HasSubstr;

class ExplainTest : public ::testing::Test {
 protected:
  ExplainTest() {
    cluster_.Add({.id = "near", .devices = 1});
    cluster_.Add({.id = "far", .zone = "b", .devices = 1});
    cluster_.Add({.id = "closed"});
    cluster_.view.SetCordoned(2, true);
  }

  SmallCluster cluster_;
};

TEST_F(ExplainTest, EachServerHasItsVerdict) {
  const Explanation explanation = Explain(cluster_.view, cluster_.Network(), HalfAGpu(), {});

  ASSERT_EQ(explanation.servers.size(), 3U);
  EXPECT_EQ(explanation.servers[0].server, 0U);
  EXPECT_TRUE(explanation.servers[0].chosen);
  EXPECT_EQ(explanation.servers[1].server, 1U);
  EXPECT_GT(explanation.servers[1].score, explanation.servers[0].score);
  EXPECT_EQ(explanation.servers[2].reason, Reason::kCordoned);
}

TEST_F(ExplainTest, SaysItInWords) {
  const Request request = HalfAGpu("q7");
  const std::string text = ExplanationText(
      cluster_.view, request, {}, Explain(cluster_.view, cluster_.Network(), request, {}), 2);
  EXPECT_THAT(text, HasSubstr("request q7 goes to near [near-0]: forecast "));
  EXPECT_THAT(text, HasSubstr("next: far [far-0]"));
  const Request nameless = HalfAGpu("");
  EXPECT_THAT(ExplanationText(cluster_.view, nameless, {},
                              Explain(cluster_.view, cluster_.Network(), nameless, {})),
              HasSubstr("the request goes to near"));
  EXPECT_THAT(text, HasSubstr("1 of 3 servers cannot take it: 1 cordoned"));
  EXPECT_THAT(text, HasSubstr("* near: score "));
  EXPECT_THAT(text, HasSubstr("… and 1 more servers"));
}

TEST_F(ExplainTest, SaysWhyNobodyCan) {
  Request request = HalfAGpu("q8");
  request.models = {"B200"};
  const Explanation explanation = Explain(cluster_.view, cluster_.Network(), request, {});
  EXPECT_EQ(DecisionText(cluster_.view, request, {}, explanation.decision),
            "no server can take request q8: 3 of 3 servers cannot take it: 2 without the model "
            "asked for, 1 cordoned\n");
}

TEST_F(ExplainTest, ADryRunChangesNothingButCountsWhatItHasPlaced) {
  std::vector<Request> requests;
  for (int i = 0; i < 5; ++i) {
    requests.push_back(HalfAGpu(std::to_string(i)));
  }
  const auto decisions = DryRun(cluster_.view, cluster_.Network(), requests, {});
  EXPECT_TRUE(decisions[3].placed);
  EXPECT_FALSE(decisions[4].placed);
  EXPECT_EQ(cluster_.view.sessions_count(), 0U);
  EXPECT_EQ(cluster_.view.devices()[0].promised_share, 0U);
}

}  // namespace
}  // namespace farlane::pool
