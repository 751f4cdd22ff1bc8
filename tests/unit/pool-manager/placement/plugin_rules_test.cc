// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/plugin_rules.h"

#include <gmock/gmock.h>

#include "pool-manager/placement/expression_rules.h"
#include "pool-manager/placement/rule_chain.h"
#include "tests/unit/pool-manager/placement/small_cluster.h"

namespace farlane::pool {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<PluginRules> Load(const char* path) {
  Result<std::unique_ptr<PluginRules>> plugin = PluginRules::Load(path);
  EXPECT_TRUE(plugin.ok()) << plugin.error().message();
  return std::move(plugin).value();
}

class PluginTest : public ::testing::Test {
 protected:
  uint32_t Add(const std::string& id, float price) {
    ServerFacts facts;
    facts.id = id;
    facts.place.region = "r";
    facts.place.zone = "a";
    DeviceFacts device;
    device.memory_bytes = 80 * kGiB;
    device.price_per_hour = price;
    return *cluster_.view.SetServer(facts, {{.id = "0", .model = "x", .facts = device}});
  }

  Decision Ask(const PlacementRules& rules, uint32_t share = kWholeShare / 2) {
    Request request = HalfAGpu();
    request.share = share;
    return Decide(cluster_.view, cluster_.Network(), request, {}, &rules);
  }

  SmallCluster cluster_;
};

TEST_F(PluginTest, TheExampleKeepsSmallJobsOffDearDevicesAndWeighsPrices) {
  const auto plugin = Load(FARLANE_EXAMPLE_PLUGIN);
  EXPECT_STREQ(plugin->name(), "night-rate");
  const uint32_t dear = Add("dear", 4);

  EXPECT_TRUE(Ask(*plugin).placed);
  EXPECT_EQ(Ask(*plugin, kWholeShare / 10).rejections.Of(Reason::kPlugin), 1U);

  const uint32_t cheap = Add("cheap", 1);
  EXPECT_EQ(ServerOf(Ask(*plugin)), cheap);
  EXPECT_NE(ServerOf(Ask(*plugin)), dear);
  EXPECT_EQ(plugin->faults_count(), 0U);
}

TEST_F(PluginTest, NonsenseDoesNotCountAndInTheEndIsNotAskedFor) {
  const auto plugin = Load(FARLANE_BROKEN_PLUGIN);
  const uint32_t only = Add("only", 1);
  for (uint32_t i = 0; i < 2 * kPluginFaultsMost; ++i) {
    const Decision decision = Ask(*plugin);
    ASSERT_TRUE(decision.placed);
    EXPECT_EQ(ServerOf(decision), only);
    EXPECT_LT(decision.chosen().score, 1);
  }
  EXPECT_TRUE(plugin->IsOut());
  EXPECT_EQ(plugin->faults_count(), kPluginFaultsMost);
}

TEST_F(PluginTest, WhatIsNoPluginOfOursIsRefused) {
  EXPECT_THAT(PluginRules::Load("night_rate.so").error().message(), HasSubstr("absolute path"));
  EXPECT_EQ(PluginRules::Load("/nowhere/x.so").error().code(), StatusCode::kNotFound);
  EXPECT_EQ(PluginRules::Load(FARLANE_NEWER_PLUGIN).error().code(), StatusCode::kMismatch);
  EXPECT_EQ(PluginRules::Load(FARLANE_NO_PLUGIN).error().code(), StatusCode::kUnsupported);
}

TEST_F(PluginTest, RulesGoOneAfterTheOther) {
  const auto plugin = Load(FARLANE_EXAMPLE_PLUGIN);
  const Result<ExpressionRules> rules = ExpressionRules::Read("server.id != 'cheap'", "score * 2");
  ASSERT_TRUE(rules.ok());
  Add("dear", 2);
  Add("cheap", 1);
  const RuleChain chain({&*rules, plugin.get()});

  const Decision decision = Ask(chain);

  EXPECT_EQ(decision.rejections.Of(Reason::kPolicyFilter), 1U);
  const double alone = decision.chosen().terms.Score({}) - decision.chosen().terms.rules;
  EXPECT_NEAR(decision.chosen().score, 2 * alone + 0.1 * 2 * 0.5, 1e-9);
}

}  // namespace
}  // namespace farlane::pool
