// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/cluster_view.h"

#include "pool-manager/placement/name_hash.h"
#include "tests/unit/pool-manager/placement/small_cluster.h"

namespace farlane::pool {
namespace {

Grant HalfOf(const std::string& session, std::vector<uint32_t> devices) {
  Grant grant;
  grant.session = session;
  grant.tenant = "t";
  grant.share = kWholeShare / 2;
  grant.memory_bytes = 40 * kGiB;
  grant.memory_limit_bytes = 40 * kGiB;
  grant.devices = std::move(devices);
  grant.busy = 0.5;
  grant.bytes_per_s = 1e9;
  return grant;
}

TEST(ClusterView, PromisesNothingTwice) {
  SmallCluster cluster;
  cluster.Add({.id = "one"});

  EXPECT_TRUE(cluster.view.Assume(HalfOf("a", {0})).ok());
  EXPECT_TRUE(cluster.view.Assume(HalfOf("b", {0})).ok());
  const Status third = cluster.view.Assume(HalfOf("c", {0}));

  EXPECT_EQ(third.code(), StatusCode::kExhausted);
  EXPECT_EQ(third.message(), "device one-0 of server one has promised 1 and cannot 0.5 more");
  EXPECT_EQ(cluster.view.sessions_count(), 2U);
}

TEST(ClusterView, AGrantOfSeveralDevicesIsAllOrNothing) {
  SmallCluster cluster;
  cluster.Add({.id = "one"});
  ASSERT_TRUE(cluster.view.Assume(HalfOf("a", {1})).ok());
  ASSERT_TRUE(cluster.view.Assume(HalfOf("b", {1})).ok());

  EXPECT_FALSE(cluster.view.Assume(HalfOf("c", {0, 1})).ok());
  EXPECT_EQ(cluster.view.devices()[0].promised_share, 0U);
  EXPECT_FALSE(cluster.view.Assume(HalfOf("d", {0, 0})).ok());
  EXPECT_FALSE(cluster.view.Assume(HalfOf("e", {7})).ok());
}

TEST(ClusterView, ForgettingGivesAllBack) {
  SmallCluster cluster;
  cluster.Add({.id = "one"});
  Grant grant = HalfOf("a", {0});
  grant.isolation = Isolation::kExclusive;
  grant.group = "g";
  ASSERT_TRUE(cluster.view.Assume(grant).ok());
  EXPECT_EQ(cluster.view.devices()[0].held, Isolation::kExclusive);
  EXPECT_EQ(cluster.view.domains()[0].promised_share, kWholeShare / 2);
  EXPECT_NE(cluster.view.ServersOfGroup(NameHash("g")), nullptr);

  EXPECT_TRUE(cluster.view.Forget("a"));
  EXPECT_FALSE(cluster.view.Forget("a"));

  const DeviceView& device = cluster.view.devices()[0];
  EXPECT_EQ(device.promised_share, 0U);
  EXPECT_EQ(device.promised_bytes, 0U);
  EXPECT_EQ(device.limit_bytes, 0U);
  EXPECT_EQ(device.sessions, 0U);
  EXPECT_EQ(device.Busy(), 0);
  EXPECT_EQ(device.held, Isolation::kShared);
  EXPECT_EQ(cluster.view.domains()[0].promised_share, 0U);
  EXPECT_EQ(cluster.view.ServersOfGroup(NameHash("g")), nullptr);
}

TEST(ClusterView, WhatIsExpectedGivesWayToWhatIsReported) {
  SmallCluster cluster;
  cluster.Add({.id = "one"});
  ASSERT_TRUE(cluster.view.Assume(HalfOf("a", {0})).ok());
  EXPECT_FLOAT_EQ(cluster.view.devices()[0].Busy(), 0.5F);
  EXPECT_DOUBLE_EQ(cluster.view.servers()[0].nic_expected_bytes_per_s, 1e9);

  cluster.view.SetLoad(0, {.busy = 0.3F});
  cluster.view.Settle("a");
  cluster.view.Settle("a");

  EXPECT_FLOAT_EQ(cluster.view.devices()[0].Busy(), 0.3F);
  EXPECT_DOUBLE_EQ(cluster.view.servers()[0].nic_expected_bytes_per_s, 0);
}

TEST(ClusterView, AServerThatComesBackKeepsItsPromises) {
  SmallCluster cluster;
  const uint32_t server = cluster.Add({.id = "one"});
  ASSERT_TRUE(cluster.view.Assume(HalfOf("a", {0})).ok());
  cluster.view.SetState(server, ServerState::kUnreachable);
  EXPECT_EQ(cluster.view.domains()[0].share_capacity, 0U);

  EXPECT_EQ(cluster.Add({.id = "one"}), server);

  EXPECT_EQ(cluster.view.devices()[0].promised_share, kWholeShare / 2);
  EXPECT_EQ(cluster.view.domains()[0].share_capacity, 2U * kWholeShare);
  EXPECT_EQ(cluster.view.domains()[0].promised_share, kWholeShare / 2);
  EXPECT_EQ(cluster.view.domains()[0].servers.size(), 1U);
}

TEST(ClusterView, AServerThatComesBackWithOtherDevicesIsANewOne) {
  SmallCluster cluster;
  cluster.Add({.id = "one"});
  ASSERT_TRUE(cluster.view.Assume(HalfOf("a", {0})).ok());

  const uint32_t again = cluster.Add({.id = "one", .devices = 3});

  EXPECT_EQ(cluster.view.sessions_count(), 0U);
  EXPECT_EQ(cluster.view.Find("one"), again);
  EXPECT_EQ(cluster.view.domains()[0].share_capacity, 3U * kWholeShare);
}

TEST(ClusterView, ASlotThatWasLeftIsTakenAgain) {
  SmallCluster cluster;
  const uint32_t first = cluster.Add({.id = "one"});
  cluster.Add({.id = "two"});
  cluster.view.RemoveServer(first);
  EXPECT_FALSE(cluster.view.Find("one").has_value());

  EXPECT_EQ(cluster.Add({.id = "three", .zone = "b"}), first);
  EXPECT_EQ(cluster.view.devices().size(), 4U);
  EXPECT_EQ(cluster.view.DeviceId(0), "three-0");
}

TEST(ClusterView, CordonedAndUnhealthyCapacityIsNotCounted) {
  SmallCluster cluster;
  const uint32_t server = cluster.Add({.id = "one"});
  ASSERT_TRUE(cluster.view.Assume(HalfOf("a", {0})).ok());

  cluster.view.SetDeviceHealth(0, false, false);
  EXPECT_EQ(cluster.view.domains()[0].share_capacity, kWholeShare);
  EXPECT_EQ(cluster.view.domains()[0].promised_share, 0U);
  cluster.view.SetCordoned(server, true);
  EXPECT_EQ(cluster.view.domains()[0].share_capacity, 0U);
  cluster.view.Forget("a");
  cluster.view.SetCordoned(server, false);
  cluster.view.SetDeviceHealth(0, true, false);
  EXPECT_EQ(cluster.view.domains()[0].share_capacity, 2U * kWholeShare);
  EXPECT_EQ(cluster.view.domains()[0].promised_share, 0U);
}

}  // namespace
}  // namespace farlane::pool
