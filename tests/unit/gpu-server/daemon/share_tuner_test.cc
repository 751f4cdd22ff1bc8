// SPDX-License-Identifier: Apache-2.0
// Shares that follow use between two ends, in virtual time.
#include "gpu-server/daemon/share_tuner.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace farlane::server {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

uint32_t Part(double share) {
  return static_cast<uint32_t>(share * kWholeShare);
}

// Sessions on devices, of which each uses what it wants and waits if it wants more than it has.
class World {
 public:
  struct One {
    ShareTuner::View view;
    double wants = 0;  // of a device
  };

  void Add(uint64_t session,
           double least,
           double most,
           double wants,
           std::vector<size_t> devices = {0}) {
    One one{.view = {.session = session,
                     .least = Part(least),
                     .most = Part(most),
                     .now = Part(least),
                     .uses = {}},
            .wants = wants};
    for (const size_t device : devices) {
      one.view.uses.push_back({.device = device});
    }
    all[session] = one;
  }

  void Run(int seconds) {
    for (int i = 0; i < seconds; ++i) {
      now_ns += kSecond;
      for (auto& [session, one] : all) {
        const double has = static_cast<double>(one.view.now) / kWholeShare;
        for (ShareTuner::Use& use : one.view.uses) {
          use.clock_ns += kSecond;
          use.used_ns += static_cast<uint64_t>(std::min(has, one.wants) * kSecond);
          use.held_ns += one.wants > has ? kSecond / 2 : 0;
        }
      }
      Look();
    }
  }

  void Look() {
    std::vector<ShareTuner::View> views;
    for (const auto& [session, one] : all) {
      views.push_back(one.view);
    }
    for (const auto& [session, share] : tuner.Look(now_ns, views)) {
      all[session].view.now = share;
      ++changes;
    }
    std::map<size_t, uint64_t> promised;
    for (const auto& [session, one] : all) {
      EXPECT_GE(one.view.now, one.view.least);
      EXPECT_LE(one.view.now, std::max(one.view.least, one.view.most));
      for (const ShareTuner::Use& use : one.view.uses) {
        promised[use.device] += one.view.now;
      }
    }
    for (const auto& [device, sum] : promised) {
      EXPECT_LE(sum, kWholeShare) << "more is promised of device " << device << " than there is";
    }
  }

  double ShareOf(uint64_t session) {
    return static_cast<double>(all[session].view.now) / kWholeShare;
  }

  ShareTuner tuner;
  std::map<uint64_t, One> all;
  uint64_t now_ns = kSecond;
  int changes = 0;
};

TEST(ShareTuner, GivesMoreToWhoUsesAllAndWaits) {
  World world;
  world.Add(1, 0.2, 0.8, 1.0);
  world.Run(30);
  EXPECT_DOUBLE_EQ(world.ShareOf(1), 0.8);
}

TEST(ShareTuner, TakesBackWhatIsNotUsed) {
  World world;
  world.Add(1, 0.2, 0.8, 1.0);
  world.Run(30);
  world.all[1].wants = 0.3;
  world.Run(60);
  EXPECT_GE(world.ShareOf(1), 0.3);
  EXPECT_LE(world.ShareOf(1), 0.5);
  world.all[1].wants = 0;
  world.Run(60);
  EXPECT_DOUBLE_EQ(world.ShareOf(1), 0.2);
}

TEST(ShareTuner, GivesNobodyWhatOthersArePromised) {
  World world;
  world.Add(1, 0.2, 1.0, 1.0);
  world.Add(2, 0.5, 0, 0.0);  // it uses nothing, and has it promised all the same
  world.Run(30);
  EXPECT_DOUBLE_EQ(world.ShareOf(1), 0.5);
  EXPECT_DOUBLE_EQ(world.ShareOf(2), 0.5);
}

TEST(ShareTuner, GoesOutOfTheWayAtOnce) {
  World world;
  world.Add(1, 0.2, 0.8, 1.0);
  world.Add(2, 0.1, 0.4, 1.0);
  world.Run(30);
  world.Add(3, 0.6, 0, 1.0);
  world.Look();  // no time has passed
  EXPECT_LE(world.ShareOf(1) + world.ShareOf(2), 0.4);
}

TEST(ShareTuner, LooksAtEveryDeviceOfASession) {
  World world;
  world.Add(1, 0.2, 1.0, 1.0, {0, 1});
  world.Add(2, 0.7, 0, 0.1, {1});
  world.Run(30);
  EXPECT_DOUBLE_EQ(world.ShareOf(1), 0.3);
}

// What hysteresis is worth: use that changes every second moves nothing.
TEST(ShareTuner, DoesNotFollowEveryWhim) {
  World world;
  world.Add(1, 0.2, 0.8, 1.0);
  for (int i = 0; i < 50; ++i) {
    world.all[1].wants = i % 2 == 0 ? 1.0 : 0.05;
    world.Run(1);
  }
  EXPECT_EQ(world.changes, 0);
}

}  // namespace
}  // namespace farlane::server
