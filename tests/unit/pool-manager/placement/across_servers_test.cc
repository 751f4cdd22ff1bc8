// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/across_servers.h"

#include <set>

#include "tests/unit/pool-manager/placement/small_cluster.h"

namespace farlane::pool {
namespace {

std::set<std::string> Names(const SmallCluster& cluster, const Decision& decision) {
  std::set<std::string> names;
  for (const ChosenServer& one : decision.chosen().servers) {
    names.insert(cluster.view.servers()[one.server].facts.id);
  }
  return names;
}

class Across : public ::testing::Test {
 protected:
  Across() {
    request_.devices = 4;
    request_.across_servers = true;
    cluster_.Add({.id = "a1", .rack = "1"});
    cluster_.Add({.id = "a2", .rack = "2"});
    cluster_.Add({.id = "b1", .zone = "b", .rack = "1"});
    cluster_.Add({.id = "b2", .zone = "b", .rack = "1"});
  }

  SmallCluster cluster_;
  Request request_ = HalfAGpu();
};

TEST_F(Across, OneRackComesFirst) {
  const Decision decision = cluster_.Ask(request_);
  ASSERT_TRUE(decision.placed);
  EXPECT_EQ(Names(cluster_, decision), (std::set<std::string>{"b1", "b2"}));
  EXPECT_DOUBLE_EQ(decision.chosen().terms.peers, kPeersInRack);
}

TEST_F(Across, ThenOneZoneThenAnything) {
  cluster_.view.SetDeviceHealth(4, false, false);
  EXPECT_EQ(Names(cluster_, cluster_.Ask(request_)), (std::set<std::string>{"a1", "a2"}));
  cluster_.view.SetDeviceHealth(0, false, false);
  EXPECT_GE(Names(cluster_, cluster_.Ask(request_)).size(), 2U);
  EXPECT_DOUBLE_EQ(cluster_.Ask(request_).chosen().terms.peers, kPeersFar);
}

TEST_F(Across, AllOrNothing) {
  request_.devices = 9;
  const Decision decision = cluster_.Ask(request_);
  EXPECT_FALSE(decision.placed);
  EXPECT_EQ(decision.rejections.Of(Reason::kTooFewDevices), 4U);
}

TEST_F(Across, OnlyIfAsked) {
  request_.across_servers = false;
  EXPECT_FALSE(cluster_.Ask(request_).placed);
}

TEST_F(Across, OneServerIsBetterIfThereIsOne) {
  cluster_.Add({.id = "big", .zone = "c", .devices = 4});
  EXPECT_EQ(Names(cluster_, cluster_.Ask(request_)), (std::set<std::string>{"big"}));
}

TEST_F(Across, EachDeviceIsTakenOnce) {
  request_.devices = 8;
  const Decision decision = cluster_.Put(request_);
  std::set<uint32_t> devices;
  for (const ChosenServer& one : decision.chosen().servers) {
    devices.insert(one.devices.begin(), one.devices.end());
  }
  EXPECT_EQ(devices.size(), 8U);
}

}  // namespace
}  // namespace farlane::pool
