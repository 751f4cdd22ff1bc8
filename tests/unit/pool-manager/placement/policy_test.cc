// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/policy.h"

#include <cmath>

#include "tests/unit/pool-manager/placement/small_cluster.h"

namespace farlane::pool {
namespace {

PlacementPolicy Named(const std::string& name) {
  Result<PlacementPolicy> policy = PlacementPolicy::Named(name);
  EXPECT_TRUE(policy.ok());
  return *policy;
}

TEST(PlacementPolicy, EachOneIsNamedAndSound) {
  EXPECT_EQ(PlacementPolicy::Names().size(), 7U);
  for (const std::string& name : PlacementPolicy::Names()) {
    EXPECT_EQ(Named(name).name, name);
    EXPECT_TRUE(CheckPolicy(Named(name)).ok()) << name;
  }
  EXPECT_EQ(PlacementPolicy::Named("best").error().message(),
            "there is no placement policy \"best\" (there are balanced, binpack, spread, latency, "
            "compute, cost, energy)");
}

TEST(PlacementPolicy, WeightsThatAreNoNumbersAreRefused) {
  PlacementPolicy policy;
  policy.network = std::nan("");
  EXPECT_FALSE(CheckPolicy(policy).ok());
  policy = {};
  policy.memory_overcommit = 0.5;
  EXPECT_FALSE(CheckPolicy(policy).ok());
}

TEST(PlacementPolicy, BinpackFillsAServerAndSpreadDoesNot) {
  SmallCluster cluster;
  cluster.Add({.id = "one"});
  cluster.Add({.id = "two"});
  const uint32_t first = ServerOf(cluster.Put(HalfAGpu("1")));
  Request second = HalfAGpu("2");
  second.profile.busy.mean = 0;

  EXPECT_EQ(ServerOf(cluster.Ask(second, Named("binpack"))), first);
  EXPECT_NE(ServerOf(cluster.Ask(second, Named("spread"))), first);
}

TEST(PlacementPolicy, ComputeCostAndEnergyLookAtWhatADeviceIs) {
  SmallCluster cluster;
  cluster.Add({.id = "fast", .devices = 0});
  ServerFacts facts;
  facts.place.region = "r";
  facts.place.zone = "a";
  DeviceFacts device{.memory_bytes = 80 * kGiB};
  device.speed = 2;
  device.price_per_hour = 4;
  device.idle_watts = 200;
  device.busy_watts = 700;
  facts.id = "dear";
  ASSERT_TRUE(cluster.view.SetServer(facts, {{.id = "0", .model = "big", .facts = device}}).ok());
  device.speed = 0.5;
  device.price_per_hour = 1;
  device.idle_watts = 20;
  device.busy_watts = 70;
  facts.id = "cheap";
  ASSERT_TRUE(cluster.view.SetServer(facts, {{.id = "0", .model = "small", .facts = device}}).ok());

  const auto where = [&](const char* name) {
    return cluster.view.servers()[ServerOf(cluster.Ask(HalfAGpu(), Named(name)))].facts.id;
  };
  EXPECT_EQ(where("compute"), "dear");
  EXPECT_EQ(where("cost"), "cheap");
  EXPECT_EQ(where("energy"), "cheap");
}

TEST(PlacementPolicy, LatencyGivesNearnessMoreWeight) {
  SmallCluster cluster;
  const uint32_t near = cluster.Add({.id = "near", .devices = 1});
  const uint32_t far = cluster.Add({.id = "far", .zone = "b", .devices = 1});
  cluster.view.SetLoad(cluster.view.servers()[near].device_first, {.busy = 1});
  Request request = HalfAGpu();
  request.profile.calls_per_gpu_s.mean = 100;
  request.profile.bytes_per_gpu_s.mean = 0;

  EXPECT_EQ(ServerOf(cluster.Ask(request)), far);
  EXPECT_EQ(ServerOf(cluster.Ask(request, Named("latency"))), near);
}

}  // namespace
}  // namespace farlane::pool
