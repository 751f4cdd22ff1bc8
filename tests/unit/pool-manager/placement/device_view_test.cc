// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/device_view.h"

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

DeviceView Occupied(Isolation held, uint64_t tenant) {
  DeviceView device;
  device.sessions = 1;
  device.held = held;
  device.tenant = tenant;
  return device;
}

TEST(MayEnter, AnEmptyDeviceTakesWhatItOffers) {
  DeviceView device;
  EXPECT_TRUE(MayEnter(device, Isolation::kExclusive, 1));
  EXPECT_FALSE(MayEnter(device, Isolation::kMig, 1));
  device.facts.offers |= SetOf(Isolation::kMig);
  EXPECT_TRUE(MayEnter(device, Isolation::kMig, 1));
}

TEST(MayEnter, ExclusiveMeansAloneBothWays) {
  EXPECT_FALSE(MayEnter(Occupied(Isolation::kExclusive, 1), Isolation::kShared, 1));
  EXPECT_FALSE(MayEnter(Occupied(Isolation::kShared, 1), Isolation::kExclusive, 1));
}

TEST(MayEnter, TenantMeansAmongItselfBothWays) {
  EXPECT_TRUE(MayEnter(Occupied(Isolation::kTenant, 1), Isolation::kShared, 1));
  EXPECT_FALSE(MayEnter(Occupied(Isolation::kTenant, 1), Isolation::kShared, 2));
  EXPECT_TRUE(MayEnter(Occupied(Isolation::kShared, 1), Isolation::kTenant, 1));
  EXPECT_FALSE(MayEnter(Occupied(Isolation::kShared, 1), Isolation::kTenant, 2));
  EXPECT_FALSE(MayEnter(Occupied(Isolation::kShared, kManyTenants), Isolation::kTenant, 1));
  // Who has no tenant is nobody's fellow.
  EXPECT_FALSE(MayEnter(Occupied(Isolation::kTenant, 0), Isolation::kShared, 0));
}

}  // namespace
}  // namespace farlane::pool
