// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/never.h"

#include "tests/unit/pool-manager/placement/small_cluster.h"

namespace farlane::pool {
namespace {

class NeverTest : public testing::Test {
 protected:
  NeverTest() {
    cluster_.Add({.id = "one", .devices = 2, .labels = {{.key = "tier", .value = "lab"}}});
    cluster_.Add({.id = "two", .devices = 4, .model = "A100"});
    wanted_.share = kWholeShare;
  }

  std::string Why() const { return WhyNever(cluster_.view, wanted_, {}).value_or(""); }

  SmallCluster cluster_;
  Request wanted_;
};

TEST_F(NeverTest, WhatThereCouldBeRoomForIsNotNever) {
  wanted_.devices = 4;
  wanted_.memory_bytes = 80 * kGiB;
  EXPECT_EQ(Why(), "");
  cluster_.view.SetState(1, ServerState::kLost);
  EXPECT_EQ(Why(), "") << "it may come back";
  cluster_.view.SetCordoned(1, true);
  EXPECT_EQ(Why(), "") << "that is what people may change";
}

TEST_F(NeverTest, MoreThanAnybodyHasIsSaidWithNumbers) {
  wanted_.memory_bytes = 200 * kGiB;
  EXPECT_EQ(Why(),
            "no server of the pool can ever take it: it wants 200 GiB of memory, and the most that "
            "there is is 80 GiB (of 2 servers, 2 have the rest)");
  wanted_.memory_bytes = 0;
  wanted_.devices = 5;
  EXPECT_EQ(Why(),
            "no server of the pool can ever take it: it wants 5 GPUs of one server, and the most "
            "that one has is 4 (of 2 servers, 2 have the rest)");
  wanted_.devices = 1;
  wanted_.compute_capability_min = 100;
  EXPECT_EQ(Why(),
            "no server of the pool can ever take it: it wants compute capability 10.0, and the "
            "most that there is is 9.0 (of 2 servers, 2 have the rest)");
}

TEST_F(NeverTest, WhatNobodyIsIsSaidByName) {
  wanted_.models = {"*B200*"};
  EXPECT_EQ(Why(),
            "no server of the pool can ever take it: it wants a device of the model *B200*, and no "
            "server has one; there are A100, H100 (of 2 servers, 2 have the rest)");
  wanted_.models.clear();
  wanted_.selector = {{.key = "tier", .values = {"attic"}}};
  EXPECT_EQ(Why(),
            "no server of the pool can ever take it: it wants a server with the labels tier=attic, "
            "and none has them (of 2 servers, 2 have the rest)");
  wanted_.selector.clear();
  wanted_.isolation = Isolation::kMig;
  EXPECT_NE(Why().find("isolation \"mig\""), std::string::npos) << Why();
}

TEST_F(NeverTest, WhatSomeHaveAndOthersIsNotThereTogether) {
  wanted_.devices = 3;
  wanted_.models = {"H100"};
  EXPECT_EQ(Why(),
            "no server of the pool can ever take it: it wants 3 devices of the model H100, and no "
            "server has so many; there are A100 (of 2 servers, 1 has the rest)");
  wanted_.devices = 4;
  wanted_.models.clear();
  wanted_.selector = {{.key = "tier", .values = {"lab"}}};
  EXPECT_NE(Why().find("it wants 4 GPUs of one server, and the most that one has is 2"),
            std::string::npos)
      << Why();
}

TEST_F(NeverTest, APoolWithoutServersSaysNothing) {
  EXPECT_FALSE(WhyNever(ClusterView(), wanted_, {}).has_value());
}

}  // namespace
}  // namespace farlane::pool
