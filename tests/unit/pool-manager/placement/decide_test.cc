// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/decide.h"

#include <set>

#include "pool-manager/placement/name_hash.h"
#include "tests/unit/pool-manager/placement/small_cluster.h"

namespace farlane::pool {
namespace {

TEST(Decide, ChattyProgramsGoNearAndQuietOnesWhereNobodyIs) {
  SmallCluster cluster;
  const uint32_t near = cluster.Add({.id = "near", .devices = 1});
  const uint32_t far = cluster.Add({.id = "far", .zone = "b", .devices = 1});
  cluster.view.SetLoad(cluster.view.servers()[near].device_first, {.busy = 0.8F});

  Request chatty = HalfAGpu();
  chatty.profile = AppProfile::OfClass(AppClass::kInteractive);
  Request quiet = HalfAGpu();
  quiet.profile = AppProfile::OfClass(AppClass::kTrain);

  EXPECT_EQ(ServerOf(cluster.Ask(chatty)), near);
  EXPECT_EQ(ServerOf(cluster.Ask(quiet)), far);
}

TEST(Decide, TheQuietMakeRoomForThoseWhoNeedToBeNear) {
  SmallCluster cluster;
  cluster.Add({.id = "near", .devices = 10});
  const uint32_t far = cluster.Add({.id = "far", .zone = "b", .devices = 10});
  Request chatty = HalfAGpu();
  chatty.profile = AppProfile::OfClass(AppClass::kInteractive);
  for (int i = 0; i < 17; ++i) {
    chatty.id = "c" + std::to_string(i);
    cluster.Put(chatty);
    NoteDemand(cluster.view, cluster.Network(), chatty);
  }
  Request quiet = HalfAGpu();
  quiet.profile = AppProfile::OfClass(AppClass::kTrain);

  EXPECT_EQ(ServerOf(cluster.Ask(quiet)), far);
  PlacementPolicy no_price;
  no_price.opportunity = 0;
  no_price.compute = 0;
  EXPECT_NE(ServerOf(cluster.Ask(quiet, no_price)), far);
}

TEST(Decide, TheSameViewGivesTheSameDecision) {
  SmallCluster cluster;
  for (int i = 0; i < 20; ++i) {
    cluster.Add({.id = "s" + std::to_string(i)});
  }
  const Decision one = cluster.Ask(HalfAGpu());
  EXPECT_EQ(one.tied, 20U);
  EXPECT_EQ(one.chosen().servers, cluster.Ask(HalfAGpu()).chosen().servers);
  EXPECT_EQ(one.candidates.size(), kCandidatesTold);
}

TEST(Decide, ForecastIsWhatTheTermsSay) {
  SmallCluster cluster;
  cluster.Add({.id = "one", .zone = "b", .devices = 1});
  Request request = HalfAGpu();
  request.profile.calls_per_gpu_s.mean = 100;
  request.profile.bytes_per_gpu_s.mean = 0;
  cluster.distances.Set("r/a", "r/b", 2e-3, 1e9);
  EXPECT_DOUBLE_EQ(cluster.Ask(request).forecast(), 0.2);
}

TEST(Decide, NeverPromisesMoreThanThereIs) {
  SmallCluster cluster;
  for (int i = 0; i < 8; ++i) {
    cluster.Add({.id = "s" + std::to_string(i), .devices = 1});
  }
  for (int i = 0; i < 16; ++i) {
    cluster.Put(HalfAGpu("q" + std::to_string(i)));
  }
  EXPECT_FALSE(cluster.Ask(HalfAGpu("one more")).placed);
  for (const DeviceView& device : cluster.view.devices()) {
    EXPECT_EQ(device.promised_share, kWholeShare);
    EXPECT_EQ(device.sessions, 2U);
  }
}

TEST(Decide, SeveralDevicesAreOfOneServerAndReachEachOther) {
  SmallCluster cluster;
  const uint32_t server = cluster.Add({.id = "one", .devices = 4});
  std::vector<NewDevice> devices;
  for (uint16_t i = 0; i < 4; ++i) {
    NewDevice device{.id = "one-" + std::to_string(i), .model = "H100", .facts = {}};
    device.facts.memory_bytes = 80 * kGiB;
    device.facts.peer_group = i / 2;
    devices.push_back(device);
  }
  ASSERT_TRUE(cluster.view.SetServer(cluster.view.servers()[server].facts, devices).ok());
  cluster.view.SetLoad(0, {.busy = 0.1F});
  Request request = HalfAGpu();
  request.devices = 2;

  EXPECT_EQ(cluster.Ask(request).chosen().servers.front().devices, (std::vector<uint32_t>{2, 3}));
  request.devices = 3;
  const Decision three = cluster.Ask(request);
  ASSERT_TRUE(three.placed);
  EXPECT_GT(three.chosen().terms.peers, 0);
  request.devices = 5;
  EXPECT_EQ(cluster.Ask(request).rejections.Of(Reason::kTooFewDevices), 1U);
}

TEST(Decide, ARunningSessionMovesOnlyForAReason) {
  SmallCluster cluster;
  const uint32_t here = cluster.Add({.id = "here", .devices = 1});
  const uint32_t there = cluster.Add({.id = "there", .devices = 1});
  Request request = HalfAGpu();
  request.current_server = here;
  cluster.view.SetLoad(0, {.busy = 0.3F});
  EXPECT_TRUE(cluster.Ask(request).stays);

  cluster.view.SetLoad(0, {.busy = 1});
  const Decision moved = cluster.Ask(request);
  EXPECT_FALSE(moved.stays);
  EXPECT_EQ(ServerOf(moved), there);
}

TEST(Decide, BeingAboutAsGoodIsNoReasonToMove) {
  SmallCluster cluster;
  for (int i = 0; i < 10; ++i) {
    cluster.Add({.id = "s" + std::to_string(i), .devices = 1});
  }
  Request request = HalfAGpu();
  for (uint32_t here = 0; here < 10; ++here) {
    request.current_server = here;
    cluster.view.SetLoad(here, {.busy = 0.4F});
    EXPECT_TRUE(cluster.Ask(request).stays) << here;
    cluster.view.SetLoad(here, {});
  }
}

TEST(Decide, CodeThatIsThereAlreadyIsWorthSomething) {
  SmallCluster cluster;
  for (int i = 0; i < 5; ++i) {
    cluster.Add({.id = "s" + std::to_string(i)});
  }
  Request request = HalfAGpu();
  for (uint32_t server = 0; server < 5; ++server) {
    cluster.view.SetCached(server, {NameHash(request.app), 7});
    EXPECT_EQ(ServerOf(cluster.Ask(request)), server);
    cluster.view.SetCached(server, {});
  }
}

TEST(Decide, RefusesRequestsThatMeanNothing) {
  SmallCluster cluster;
  cluster.Add({.id = "one"});
  Request request = HalfAGpu();
  request.devices = 0;
  EXPECT_EQ(cluster.Ask(request).refusal, "a request is for 1 to 65536 devices, not for 0");
  request.devices = 1;
  request.share = 0;
  EXPECT_FALSE(cluster.Ask(request).placed);
  request.share = 1;
  request.profile.busy.mean = -1;
  EXPECT_FALSE(cluster.Ask(request).placed);
}

// A pool so large that only some servers are looked at.
class LargePool : public ::testing::Test {
 protected:
  LargePool() {
    for (int i = 0; i < 600; ++i) {
      cluster_.Add({.id = "s" + std::to_string(i),
                    .zone = std::string(1, static_cast<char>('a' + i % 6)),
                    .model = i == 599 ? "Rare" : "H100"});
    }
    policy_.full_scan_devices_max = 1000;
  }

  SmallCluster cluster_;
  PlacementPolicy policy_;
};

TEST_F(LargePool, ASampleFindsAPlaceAsNearAsAllDo) {
  const Decision sampled = cluster_.Ask(HalfAGpu(), policy_);
  EXPECT_TRUE(sampled.sampled);
  EXPECT_LE(sampled.rejections.looked_at, 257U);
  EXPECT_DOUBLE_EQ(sampled.forecast(), cluster_.Ask(HalfAGpu()).forecast());
}

TEST_F(LargePool, NobodyIsRefusedBeforeAllHaveBeenAsked) {
  Request request = HalfAGpu();
  request.models = {"rare"};
  EXPECT_EQ(ServerOf(cluster_.Ask(request, policy_)), 599U);

  request.models.clear();
  cluster_.view.SetCordoned(17, true);
  request.selector = {{.key = "x", .values = {"y"}}};
  const Decision refused = cluster_.Ask(request, policy_);
  EXPECT_FALSE(refused.placed);
  EXPECT_EQ(refused.rejections.looked_at, 600U);
  EXPECT_EQ(refused.rejections.Of(Reason::kCordoned), 1U);
}

}  // namespace
}  // namespace farlane::pool
