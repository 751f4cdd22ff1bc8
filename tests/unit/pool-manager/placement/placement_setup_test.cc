// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/placement_setup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

using testing::HasSubstr;

TEST(PlacementSetup, WithNothingSaidIsTheUsualPolicyAlone) {
  const auto setup = PlacementSetup::Read({});
  ASSERT_TRUE(setup.ok());
  EXPECT_EQ(setup->policy.name, "balanced");
  EXPECT_EQ(setup->rules, nullptr);
}

TEST(PlacementSetup, TakesWhatIsSaid) {
  const auto setup = PlacementSetup::Read({.policy = "latency", .filter = "devices_free"});
  EXPECT_FALSE(setup.ok()) << "no such name";
  const auto rules = PlacementSetup::Read({.policy = "latency", .filter = "gpu.memory > 1"});
  ASSERT_TRUE(rules.ok()) << rules.error().message();
  EXPECT_EQ(rules->policy.name, "latency");
  EXPECT_NE(rules->rules, nullptr);
  const auto plugin = PlacementSetup::Read({.plugin = FARLANE_EXAMPLE_PLUGIN});
  ASSERT_TRUE(plugin.ok()) << plugin.error().message();
  EXPECT_NE(plugin->rules, nullptr);
}

TEST(PlacementSetup, WhatCannotBeMeantIsRefused) {
  EXPECT_THAT(PlacementSetup::Read({.policy = "best"}).error().message(), HasSubstr("best"));
  EXPECT_THAT(PlacementSetup::Read({.score = "net +"}).error().message(), HasSubstr("score"));
  EXPECT_THAT(PlacementSetup::Read({.plugin = "night_rate.so"}).error().message(),
              HasSubstr("absolute path"));
  EXPECT_THAT(
      PlacementSetup::Read({.filter = "true", .plugin = FARLANE_EXAMPLE_PLUGIN}).error().message(),
      HasSubstr("not by both"));
}

TEST(PlacementSetup, WhatIsTriedTakesThePlaceOfWhatThereIs) {
  const auto own = PlacementSetup::Read({.policy = "spread", .filter = "gpu.memory > 1"});
  ASSERT_TRUE(own.ok());
  const auto same = own->With({});
  ASSERT_TRUE(same.ok());
  EXPECT_EQ(same->policy.name, "spread");
  EXPECT_EQ(same->rules, own->rules);
  const auto other = own->With({.policy = "binpack", .score = "net"});
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(other->policy.name, "binpack");
  EXPECT_NE(other->rules, own->rules);
}

}  // namespace
}  // namespace farlane::pool
