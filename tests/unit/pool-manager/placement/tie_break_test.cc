// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/tie_break.h"

#include <map>

#include "tests/unit/pool-manager/placement/small_cluster.h"

namespace farlane::pool {
namespace {

class Tie : public ::testing::Test {
 protected:
  Tie() {
    for (uint32_t i = 0; i < 10; ++i) {
      tied_.push_back({.score = 0, .server = cluster_.Add({.id = "s" + std::to_string(i)})});
    }
  }

  uint32_t Take(const Request& request) {
    return tied_[BreakTie(cluster_.view, request, tied_)].server;
  }

  SmallCluster cluster_;
  std::vector<ScoredServer> tied_;
};

TEST_F(Tie, AProgramComesBackAndProgramsSpread) {
  Request request = HalfAGpu();
  EXPECT_EQ(Take(request), Take(request));
  std::map<uint32_t, int> taken;
  for (int i = 0; i < 1000; ++i) {
    request.app = "app " + std::to_string(i);
    ++taken[Take(request)];
  }
  EXPECT_EQ(taken.size(), 10U);
  for (const auto& [server, count] : taken) {
    EXPECT_GT(count, 60) << server;
    EXPECT_LT(count, 150) << server;
  }
}

TEST_F(Tie, ItDoesNotComeBackToWhoHasMuchMoreToDo) {
  const Request request = HalfAGpu();
  const uint32_t home = Take(request);
  Grant grant;
  grant.session = "s";
  grant.share = kWholeShare;
  grant.devices = {cluster_.view.servers()[home].device_first};
  ASSERT_TRUE(cluster_.view.Assume(grant).ok());
  EXPECT_NE(Take(request), home);
}

TEST_F(Tie, TheOrderInWhichTheyStandDoesNotMatter) {
  const Request request = HalfAGpu();
  const uint32_t first = Take(request);
  std::reverse(tied_.begin(), tied_.end());
  EXPECT_EQ(Take(request), first);
}

TEST(TieMargin, IsNeverNothing) {
  EXPECT_DOUBLE_EQ(TieMargin(0), 0.01);
  EXPECT_DOUBLE_EQ(TieMargin(1), 0.05);
  EXPECT_DOUBLE_EQ(TieMargin(-1), 0.05);
}

}  // namespace
}  // namespace farlane::pool
