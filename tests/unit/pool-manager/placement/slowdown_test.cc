// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/slowdown.h"

#include "tests/unit/pool-manager/placement/small_cluster.h"

namespace farlane::pool {
namespace {

Slowdown TermsOn(const SmallCluster& cluster,
                 const Request& request,
                 const LinkEstimate& link,
                 const PlacementPolicy& policy = {}) {
  Slowdown terms;
  AddServerTerms(cluster.view, cluster.view.servers()[0], link, request, &terms);
  AddDeviceTerms(cluster.view, cluster.view.servers()[0], cluster.view.devices()[0], request,
                 policy, &terms);
  return terms;
}

Request Plain(double calls, double bytes, double busy) {
  Request request = HalfAGpu();
  request.profile.calls_per_gpu_s.mean = calls;
  request.profile.bytes_per_gpu_s.mean = bytes;
  request.profile.busy.mean = busy;
  return request;
}

TEST(Slowdown, NetworkIsCallsThatWaitAndDataThatMoves) {
  SmallCluster cluster;
  cluster.Add({.id = "one"});
  const LinkEstimate link{.rtt_s = 1e-3, .bytes_per_s = 1e9};

  const Slowdown terms = TermsOn(cluster, Plain(100, 0.2e9, 0), link);

  EXPECT_DOUBLE_EQ(terms.network, 0.1 + 0.2);
  EXPECT_DOUBLE_EQ(terms.Forecast(), 0.3);
}

TEST(Slowdown, TheNarrowestPartOfTheWayCounts) {
  SmallCluster cluster;
  cluster.Add({.id = "one"});
  const LinkEstimate link{.rtt_s = 0, .bytes_per_s = 20e9};
  EXPECT_DOUBLE_EQ(TermsOn(cluster, Plain(0, 1e9, 0), link).network, 0.1);

  cluster.view.SetNicUsed(0, 8e9);
  EXPECT_DOUBLE_EQ(TermsOn(cluster, Plain(0, 1e9, 0), link).network, 0.5);

  cluster.view.SetNicUsed(0, 50e9);
  EXPECT_DOUBLE_EQ(TermsOn(cluster, Plain(0, 1e9, 0), link).network, 2);

  Request request = Plain(0, 1e9, 0);
  request.client_nic_bytes_per_s = 0.1e9;
  EXPECT_DOUBLE_EQ(TermsOn(cluster, request, link).network, 10);
}

TEST(Slowdown, OthersOnTheDeviceCost) {
  SmallCluster cluster;
  cluster.Add({.id = "one"});
  cluster.view.SetLoad(0, {.busy = 0.5F});
  EXPECT_DOUBLE_EQ(TermsOn(cluster, Plain(0, 0, 0.4), {}).compute, 0.15 * 0.5 * 0.4);
  EXPECT_DOUBLE_EQ(TermsOn(cluster, Plain(0, 0, 1), {}).compute, 0.5 + 0.15 * 0.5);
}

TEST(Slowdown, MemoryThatIsNotThereIsPaged) {
  SmallCluster cluster;
  cluster.Add({.id = "one"});
  Request request = Plain(0, 0, 0);
  request.profile.working_set_bytes.mean = 20.0 * kGiB;
  cluster.view.SetLoad(0, {.working_set_bytes = 60 * kGiB});
  EXPECT_DOUBLE_EQ(TermsOn(cluster, request, {}).memory, 0);
  cluster.view.SetLoad(0, {.working_set_bytes = 64 * kGiB});
  EXPECT_DOUBLE_EQ(TermsOn(cluster, request, {}).memory, 4.0 / 80 * 20);
}

TEST(Slowdown, NearCapacityHasAPriceOnlyWhenItIsScarce) {
  SmallCluster cluster;
  cluster.Add({.id = "one", .devices = 4});
  for (int i = 0; i < 50; ++i) {
    cluster.view.demand().Note({.domain = 0, .loss = 5, .share = kWholeShare / 2});
  }
  Grant grant;
  grant.session = "s";
  grant.share = kWholeShare;
  grant.devices = {1, 2, 3};
  ASSERT_TRUE(cluster.view.Assume(grant).ok());
  EXPECT_DOUBLE_EQ(TermsOn(cluster, Plain(0, 0, 0), {}).opportunity, 0);

  grant.session = "t";
  grant.share = kWholeShare / 2;
  grant.devices = {0};
  ASSERT_TRUE(cluster.view.Assume(grant).ok());
  EXPECT_NEAR(TermsOn(cluster, Plain(0, 0, 0), {}).opportunity, 0.5 * 0.25 * 10, 1e-9);
}

TEST(Slowdown, FragmentationIsSpaceThatUsualRequestsCannotUse) {
  Demand demand;
  EXPECT_EQ(Fragmentation(demand, 1, kGiB), 0);
  demand.Note({.share = kWholeShare / 2, .memory_bytes = kGiB});
  EXPECT_DOUBLE_EQ(Fragmentation(demand, 1, 2 * kGiB), 0);
  EXPECT_DOUBLE_EQ(Fragmentation(demand, 0.4, 2 * kGiB), 0.4);
  EXPECT_DOUBLE_EQ(Fragmentation(demand, 1, kGiB / 2), 1);
}

TEST(Slowdown, TextNamesWhatIsNotNothing) {
  Slowdown terms;
  EXPECT_EQ(terms.Text({}), "nothing lost");
  terms.network = 0.021;
  terms.affinity = 1;
  EXPECT_EQ(terms.Text({}), "network 2.10 %, affinity -5.00 %");
  EXPECT_DOUBLE_EQ(terms.Score({}), 0.021 - 0.05);
}

}  // namespace
}  // namespace farlane::pool
