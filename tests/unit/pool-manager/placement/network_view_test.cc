// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/network_view.h"

#include "tests/unit/pool-manager/placement/small_cluster.h"

namespace farlane::pool {
namespace {

double Rtt(const SmallCluster& cluster, const NetworkView& network, uint32_t server) {
  return network.To(cluster.view.servers()[server], server).rtt_s;
}

TEST(NetworkView, KnowsRackAndZoneByName) {
  SmallCluster cluster;
  const uint32_t beside = cluster.Add({.id = "beside", .rack = "1"});
  const uint32_t near = cluster.Add({.id = "near", .rack = "2"});
  const uint32_t far = cluster.Add({.id = "far", .zone = "b", .rack = "1"});
  const NetworkView network = cluster.Network();

  EXPECT_LT(Rtt(cluster, network, beside), Rtt(cluster, network, near));
  EXPECT_LT(Rtt(cluster, network, near), Rtt(cluster, network, far));
  EXPECT_EQ(network.Nearest(cluster.view), (std::vector<uint32_t>{0, 1}));
}

TEST(NetworkView, WhatWasMeasuredCounts) {
  SmallCluster cluster;
  cluster.Add({.id = "near"});
  const uint32_t far = cluster.Add({.id = "far", .zone = "b"});
  NetworkView network = cluster.Network();
  network.SetServer(far, {.rtt_s = 5e-6, .error = 0.1, .evidence = Evidence::kPassive});
  EXPECT_DOUBLE_EQ(Rtt(cluster, network, far), 5e-6);

  // ... unless something better is known already.
  network.SetServer(far, {.rtt_s = 9, .error = 0.5, .evidence = Evidence::kProbe});
  EXPECT_DOUBLE_EQ(Rtt(cluster, network, far), 5e-6);

  network.SetDomain(1, {.rtt_s = 7e-6, .error = 0.1, .evidence = Evidence::kProbe});
  EXPECT_EQ(network.Nearest(cluster.view).front(), 1U);
}

TEST(NetworkView, BeingDisplacedCostsTheWayToTheNextRoom) {
  SmallCluster cluster;
  cluster.Add({.id = "near"});
  cluster.Add({.id = "next", .zone = "b", .devices = 1});
  cluster.Add({.id = "last", .zone = "c"});
  cluster.distances.Set("r/a", "r/a", 1e-4, 1e9);
  cluster.distances.Set("r/a", "r/b", 1e-3, 1e9);
  cluster.distances.Set("r/a", "r/c", 5e-3, 0.5e9);

  const NearLoss loss = cluster.Network().LossOfNearest(cluster.view, 1000, 1e9);
  EXPECT_EQ(loss.domain, 0U);
  EXPECT_NEAR(loss.loss, 0.9, 1e-9);

  Grant grant;
  grant.session = "s";
  grant.share = kWholeShare;
  grant.devices = {2};
  ASSERT_TRUE(cluster.view.Assume(grant).ok());
  EXPECT_NEAR(cluster.Network().LossOfNearest(cluster.view, 1000, 1e9).loss, 4.9 + 1, 1e-9);
}

TEST(NetworkView, WhereThereIsOneZoneNothingIsLost) {
  SmallCluster cluster;
  EXPECT_EQ(cluster.Network().LossOfNearest(cluster.view, 1000, 0).loss, 0);
  cluster.Add({.id = "near"});
  EXPECT_EQ(cluster.Network().LossOfNearest(cluster.view, 1000, 0).loss, 0);
}

}  // namespace
}  // namespace farlane::pool
