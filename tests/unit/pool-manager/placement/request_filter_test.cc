// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/request_filter.h"

#include <functional>

#include "tests/unit/pool-manager/placement/small_cluster.h"

namespace farlane::pool {
namespace {

// Everything a server or device can lack: the cause, and the reason that is told.
struct Case {
  Reason reason;
  std::function<void(SmallCluster&, Request&)> cause;
};

std::vector<Case> Cases() {
  return {
      {Reason::kNotReady, [](auto& c, auto&) { c.view.SetState(0, ServerState::kSuspect); }},
      {Reason::kCordoned, [](auto& c, auto&) { c.view.SetCordoned(0, true); }},
      {Reason::kExcluded, [](auto&, auto& r) { r.excluded = {"one"}; }},
      {Reason::kPool, [](auto&, auto& r) { r.pools = {"research"}; }},
      {Reason::kTransport, [](auto&, auto& r) { r.transports = kRdma; }},
      {Reason::kRttTooHigh, [](auto&, auto& r) { r.rtt_max_s = 1e-6; }},
      {Reason::kBandwidthTooLow, [](auto&, auto& r) { r.bandwidth_min_bytes_per_s = 1e12; }},
      {Reason::kSelector, [](auto&, auto& r) { r.selector = {{.key = "x", .values = {"y"}}}; }},
      {Reason::kAffinity, [](auto&, auto& r) { r.near = {{.group = "db", .required = true}}; }},
      {Reason::kDeviceUnhealthy,
       [](auto& c, auto&) {
         c.view.SetDeviceHealth(0, false, false);
         c.view.SetDeviceHealth(1, true, true);
       }},
      {Reason::kModel,
       [](auto&, auto& r) {
         r.models = {"A100*", "L40"};
       }},
      {Reason::kComputeCapability, [](auto&, auto& r) { r.compute_capability_min = 100; }},
      {Reason::kDriverTooOld, [](auto&, auto& r) { r.cuda_version_min = 13010; }},
      {Reason::kIsolation, [](auto&, auto& r) { r.isolation = Isolation::kMig; }},
      {Reason::kMemory, [](auto&, auto& r) { r.memory_bytes = 81 * kGiB; }},
      {Reason::kMemoryOvercommit, [](auto&, auto& r) { r.memory_limit_bytes = 81 * kGiB; }},
      {Reason::kTooFewDevices, [](auto&, auto& r) { r.devices = 3; }},
      {Reason::kQuota, [](auto&, auto& r) { r.quota_refusal = "project p is over its limit"; }},
  };
}

TEST(RequestFilter, EachLackHasItsReason) {
  for (const Case& one : Cases()) {
    SmallCluster cluster;
    cluster.Add({.id = "one"});
    Request request = HalfAGpu();
    ASSERT_TRUE(cluster.Ask(request).placed);
    one.cause(cluster, request);

    const Decision decision = cluster.Ask(request);

    EXPECT_FALSE(decision.placed) << ReasonCode(one.reason);
    EXPECT_EQ(decision.rejections.Of(one.reason), 1U) << decision.refusal;
    EXPECT_EQ(decision.rejections.looked_at, 1U);
    EXPECT_FALSE(decision.refusal.empty());
  }
}

TEST(RequestFilter, TaintsRepelUnlessTolerated) {
  SmallCluster cluster;
  cluster.Add({.id = "one", .taints = {{.key = "night"}}});
  Request request = HalfAGpu();
  EXPECT_EQ(cluster.Ask(request).rejections.Of(Reason::kTaint), 1U);
  request.tolerations = {{.key = "night"}};
  EXPECT_TRUE(cluster.Ask(request).placed);
}

TEST(RequestFilter, ATaintThatDoesNotRepelOnlyMakesItTheWorsePlace) {
  SmallCluster cluster;
  cluster.Add({.id = "one", .taints = {{.key = "old", .value = "", .repels = false}}});
  EXPECT_TRUE(cluster.Ask(HalfAGpu()).placed);
  const uint32_t better = cluster.Add({.id = "two"});
  EXPECT_EQ(ServerOf(cluster.Ask(HalfAGpu())), better);
}

TEST(RequestFilter, SharesAndSlotsRunOut) {
  SmallCluster cluster;
  cluster.Add({.id = "one", .devices = 1});
  cluster.Put(HalfAGpu("1"));
  cluster.Put(HalfAGpu("2"));
  EXPECT_EQ(cluster.Ask(HalfAGpu("3")).rejections.Of(Reason::kShare), 1U);

  Request scraps = HalfAGpu("4");
  scraps.best_effort = true;
  EXPECT_TRUE(cluster.Ask(scraps).placed) << "best effort needs no share of its own";

  PlacementPolicy twice;
  twice.share_overcommit = 2;
  EXPECT_TRUE(cluster.Ask(HalfAGpu("5"), twice).placed);
}

TEST(RequestFilter, MemoryMayBeOvercommittedByLimitsOnly) {
  SmallCluster cluster;
  cluster.Add({.id = "one", .devices = 1});
  Request request = HalfAGpu("1");
  request.memory_limit_bytes = 80 * kGiB;
  cluster.Put(request);
  request.id = "2";
  EXPECT_EQ(cluster.Ask(request).rejections.Of(Reason::kMemoryOvercommit), 1U);
  PlacementPolicy twice;
  twice.memory_overcommit = 2;
  EXPECT_TRUE(cluster.Ask(request, twice).placed);
  request.memory_bytes = 71 * kGiB;
  EXPECT_EQ(cluster.Ask(request, twice).rejections.Of(Reason::kMemory), 1U);
}

TEST(RequestFilter, FriendsAreNearAndOthersStayAway) {
  SmallCluster cluster;
  cluster.Add({.id = "one", .rack = "7"});
  const uint32_t beside = cluster.Add({.id = "two", .rack = "7"});
  cluster.Add({.id = "three", .rack = "8"});
  Grant grant;
  grant.session = "db";
  grant.group = "db";
  grant.devices = {0};
  ASSERT_TRUE(cluster.view.Assume(grant).ok());

  Request request = HalfAGpu();
  request.near = {
      {.group = "db", .scope = NearRule::Scope::kRack, .required = true},
      {.group = "db", .scope = NearRule::Scope::kServer, .away = true, .required = true}};
  const Decision decision = cluster.Ask(request);

  EXPECT_EQ(ServerOf(decision), beside);
  EXPECT_EQ(decision.rejections.Of(Reason::kAffinity), 1U);
  EXPECT_EQ(decision.rejections.Of(Reason::kAntiAffinity), 1U);
}

TEST(RequestFilter, ServersOfNoRackAreNotAllInOne) {
  SmallCluster cluster;
  cluster.Add({.id = "one"});
  cluster.Add({.id = "two"});
  Grant grant;
  grant.session = "s";
  grant.group = "g";
  grant.devices = {0};
  ASSERT_TRUE(cluster.view.Assume(grant).ok());
  Request request = HalfAGpu();
  request.near = {{.group = "g", .scope = NearRule::Scope::kRack, .required = true}};
  EXPECT_FALSE(cluster.Ask(request).placed);
}

TEST(RequestFilter, TheFirstOfAGroupNeedNotBeNearItself) {
  SmallCluster cluster;
  cluster.Add({.id = "one"});
  cluster.Add({.id = "two"});
  Request request = HalfAGpu("1");
  request.group = "g";
  request.near = {{.group = "g", .required = true}};
  const uint32_t first = ServerOf(cluster.Put(request));
  for (const char* id : {"2", "3", "4"}) {
    request.id = id;
    EXPECT_EQ(ServerOf(cluster.Put(request)), first);
  }
  request.id = "5";
  EXPECT_FALSE(cluster.Ask(request).placed);
}

TEST(RequestFilter, WishesCountInTheScoreOnly) {
  SmallCluster cluster;
  cluster.Add({.id = "one"});
  cluster.Add({.id = "two"});
  Request request = HalfAGpu();
  request.near = {{.group = "db"}};
  EXPECT_TRUE(cluster.Ask(request).placed);
  Grant grant;
  grant.session = "db";
  grant.group = "db";
  grant.devices = {2};
  ASSERT_TRUE(cluster.view.Assume(grant).ok());
  EXPECT_EQ(ServerOf(cluster.Ask(request)), 1U);
  request.near = {{.group = "db", .away = true}};
  EXPECT_EQ(ServerOf(cluster.Ask(request)), 0U);
}

}  // namespace
}  // namespace farlane::pool
