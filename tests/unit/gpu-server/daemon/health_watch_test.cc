// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/health_watch.h"

#include <gtest/gtest.h>

namespace farlane::server {
namespace {

using control::Severity;
using nvml::Gauge;

// Text of this many bytes fits the record in which it travels, with the zero behind it.
constexpr size_t kReasonMax = sizeof(control::ServiceRecord::text) - 1;

class Health : public testing::Test {
 protected:
  static std::vector<nvml::Gpu> Two() {
    std::vector<nvml::Gpu> gpus(2);
    gpus[0].uuid[0] = 1;
    gpus[1].uuid[0] = 2;
    return gpus;
  }

  void Set(size_t device, Gauge gauge, uint64_t value) {
    report_.gpus[device].gauges.Set(gauge, value);
  }

  // How many events there are after another look; the last is in `last`.
  size_t Look() {
    watch_.Look(report_, ++now_ms_);
    return watch_.events().size();
  }

  const HealthEvent& last() const { return watch_.events().back(); }

  bool IsSick(size_t device) const { return watch_.WhySick(device).has_value(); }

  nvml::Report report_{.cuda_version = 0, .driver_version = "", .gpus = Two()};
  HealthWatch watch_{Two()};
  uint64_t now_ms_ = 1000;
};

TEST_F(Health, OfWhatIsNotKnownNothingIsSaid) {
  EXPECT_EQ(Look(), 0u);
  Set(0, Gauge::kTemperature, 300);  // no threshold is known
  Set(0, Gauge::kPower, 9'000'000);  // and no limit
  EXPECT_EQ(Look(), 0u);
  EXPECT_FALSE(IsSick(0));
}

TEST_F(Health, AnXidIsAnEventEachTime) {
  Set(1, Gauge::kXidCount, 0);
  EXPECT_EQ(Look(), 0u);
  Set(1, Gauge::kXid, 31);
  Set(1, Gauge::kXidCount, 1);
  EXPECT_EQ(Look(), 1u);
  EXPECT_EQ(Look(), 1u) << "it is the same one";
  EXPECT_EQ(last().device, 1u);
  EXPECT_EQ(last().at_ms, now_ms_ - 1);
  EXPECT_EQ(last().severity, Severity::kWarning);
  EXPECT_FALSE(IsSick(1)) << "a program has brought it upon itself";
  Set(1, Gauge::kXid, 79);
  Set(1, Gauge::kXidCount, 2);
  EXPECT_EQ(Look(), 2u);
  EXPECT_EQ(last().severity, Severity::kCritical);
  EXPECT_EQ(last().reason, "XID 79: the GPU has fallen off the bus");
  EXPECT_TRUE(IsSick(1));
  EXPECT_FALSE(IsSick(0));
  // Whoever counts has begun anew, which makes nobody well.
  Set(1, Gauge::kXidCount, 0);
  Look();
  EXPECT_TRUE(IsSick(1));
  EXPECT_EQ(watch_.counts(1), (HealthWatch::Counts{0, 1, 1}));
}

TEST_F(Health, MemoryErrorsMakeSickUntilAReset) {
  Set(0, Gauge::kEccUncorrected, 0);
  EXPECT_EQ(Look(), 0u);
  Set(0, Gauge::kEccUncorrected, 3);
  EXPECT_EQ(Look(), 1u);
  EXPECT_EQ(last().severity, Severity::kCritical);
  EXPECT_TRUE(IsSick(0));
  Set(0, Gauge::kXid, 48);
  Set(0, Gauge::kXidCount, 1);
  Look();
  Set(0, Gauge::kEccUncorrected, 0);
  Look();
  EXPECT_EQ(last().severity, Severity::kInfo);
  EXPECT_FALSE(IsSick(0));
}

TEST_F(Health, WhatIsHotIsSickUntilItHasCooledDown) {
  Set(0, Gauge::kTemperatureSlowdown, 90);
  Set(0, Gauge::kTemperature, 89);
  EXPECT_EQ(Look(), 0u);
  Set(0, Gauge::kTemperature, 90);
  EXPECT_EQ(Look(), 1u);
  EXPECT_TRUE(IsSick(0));
  Set(0, Gauge::kTemperature, 86);
  EXPECT_EQ(Look(), 1u) << "it would come and go";
  EXPECT_TRUE(IsSick(0));
  Set(0, Gauge::kTemperature, 85);
  EXPECT_EQ(Look(), 2u);
  EXPECT_FALSE(IsSick(0));
}

TEST_F(Health, PowerBeyondTheLimitIsAnEventAndNoIllness) {
  Set(0, Gauge::kPowerLimit, 300'000);
  Set(0, Gauge::kPower, 329'000);
  EXPECT_EQ(Look(), 0u);
  Set(0, Gauge::kPower, 331'000);
  EXPECT_EQ(Look(), 1u);
  EXPECT_EQ(Look(), 1u);
  EXPECT_EQ(last().reason, "331 W; its limit is 300 W");
  EXPECT_FALSE(IsSick(0));
}

TEST_F(Health, ADeviceThatTheDriverLosesIsSickUntilItIsBack) {
  Look();
  const nvml::Report all = report_;
  report_.gpus.pop_back();
  EXPECT_EQ(Look(), 1u);
  EXPECT_TRUE(IsSick(1));
  EXPECT_FALSE(IsSick(0));
  report_.gpus.clear();
  EXPECT_EQ(Look(), 1u) << "nothing is known of anybody now";
  report_ = all;
  EXPECT_EQ(Look(), 2u);
  EXPECT_FALSE(IsSick(1));
}

TEST_F(Health, TheOldestEventsAreForgottenAndTheNumbersGoOn) {
  for (uint64_t i = 1; i <= HealthWatch::kEventsMax + 5; ++i) {
    Set(0, Gauge::kXid, i);
    Set(0, Gauge::kXidCount, i);
    Look();
    EXPECT_LE(last().reason.size(), kReasonMax) << last().reason;
  }
  EXPECT_EQ(watch_.events().size(), HealthWatch::kEventsMax);
  EXPECT_EQ(watch_.events().front().number, 6u);
}

TEST_F(Health, EveryReasonFitsItsRecord) {
  constexpr uint64_t kMuch = 4'000'000'000;
  Set(0, Gauge::kEccUncorrected, kMuch);
  Set(0, Gauge::kTemperatureSlowdown, 1000);
  Set(0, Gauge::kTemperature, 1000);
  Set(0, Gauge::kPowerLimit, kMuch);
  Set(0, Gauge::kPower, 2 * kMuch);
  Look();
  EXPECT_LE(watch_.WhySick(0)->size(), kReasonMax) << *watch_.WhySick(0);
  Set(0, Gauge::kEccUncorrected, 0);
  Set(0, Gauge::kTemperature, 0);
  Look();
  report_.gpus.erase(report_.gpus.begin());
  Look();
  report_.gpus = Two();
  Look();
  EXPECT_EQ(watch_.events().size(), 7u);
  for (const HealthEvent& event : watch_.events()) {
    EXPECT_LE(event.reason.size(), kReasonMax) << event.reason;
  }
}

}  // namespace
}  // namespace farlane::server
