// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/nvml/injected_health.h"

#include <gtest/gtest.h>

namespace farlane::soft {
namespace {

using nvml::Gauge;

TEST(InjectedHealth, IsOfAllDevicesOrOfOneAndTheLaterLineHolds) {
  const auto health = InjectedHealth::Parse(
      "# what is wrong today\n"
      "temperature = 50\n"
      "1.temperature=91 # hot\n"
      "\n"
      "  xid = 79\r\n"
      "xid = 31\n"
      "driver_version = 580.1");
  ASSERT_TRUE(health.ok()) << health.error().message();
  EXPECT_EQ(health->driver_version, "580.1");
  nvml::Gauges first;
  nvml::Gauges second;
  health->Apply(0, &first);
  health->Apply(1, &second);
  EXPECT_EQ(first[Gauge::kTemperature], 50u);
  EXPECT_EQ(second[Gauge::kTemperature], 91u);
  EXPECT_EQ(second[Gauge::kXid], 31u);
  EXPECT_FALSE(first[Gauge::kPower].has_value());
}

TEST(InjectedHealth, ALineThatSaysNothingIsRefusedAndQuoted) {
  for (const char* text :
       {"temperature", "warmth = 3", "temperature = hot", "temperature = -1", "x.temperature = 1",
        "temperature = 1 2", ".temperature = 1", "temperature = 99999999999999999999"}) {
    const auto health = InjectedHealth::Parse(text);
    ASSERT_FALSE(health.ok()) << text;
    EXPECT_NE(health.error().message().find(text), std::string::npos);
  }
}

}  // namespace
}  // namespace farlane::soft
