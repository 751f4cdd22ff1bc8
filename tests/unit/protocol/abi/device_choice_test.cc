// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/device_choice.h"

#include <gtest/gtest.h>

namespace farlane::abi {
namespace {

using Places = std::vector<size_t>;

DeviceName Named(uint8_t first, uint8_t last, const char* bus) {
  DeviceName name{.bus_id = bus};
  name.uuid.bytes[0] = static_cast<char>(first);
  name.uuid.bytes[15] = static_cast<char>(last);
  return name;
}

std::vector<DeviceName> Three() {
  return {Named(0x8a, 1, "0000:C1:00.0"), Named(0x8b, 2, "0000:65:00.0"),
          Named(0x8b, 3, "0001:03:00.0")};
}

TEST(DeviceChoice, UuidsAreWrittenInGroups) {
  EXPECT_EQ(UuidText(Three()[0].uuid), "GPU-8a000000-0000-0000-0000-000000000001");
}

TEST(DeviceChoice, BusesAreNumbersAndNotWords) {
  EXPECT_EQ(OrderByBus(Three()), (Places{1, 0, 2}));
  const std::vector<DeviceName> written = {Named(0, 0, "00000000:1a:00.0"),
                                           Named(0, 1, "0000:0B:00.0"), Named(0, 2, "0000:0b:00.1"),
                                           Named(0, 3, "0000:0B:00.0")};
  EXPECT_EQ(OrderByBus(written), (Places{1, 3, 2, 0}));
}

TEST(DeviceChoice, NumbersAndNamesSayWhatIsSeen) {
  const std::vector<DeviceName> all = Three();
  EXPECT_EQ(VisibleDevices(all, "2,0"), (Places{2, 0}));
  EXPECT_EQ(VisibleDevices(all, UuidText(all[2].uuid) + ", 0"), (Places{2, 0}));
  EXPECT_EQ(VisibleDevices(all, "GPU-8a"), Places{0});
}

TEST(DeviceChoice, TheListEndsWhereItMeansNothing) {
  const std::vector<DeviceName> all = Three();
  EXPECT_EQ(VisibleDevices(all, "0,2,-1,1"), (Places{0, 2}));
  EXPECT_EQ(VisibleDevices(all, "1,3,0"), Places{1});
  EXPECT_EQ(VisibleDevices(all, "1,,0"), Places{1});
  EXPECT_EQ(VisibleDevices(all, "0,1x"), Places{0});
  EXPECT_EQ(VisibleDevices(all, "0,GPU-8b"), Places{0});  // two begin so
  EXPECT_EQ(VisibleDevices(all, "MIG-GPU-8a000000-0000-0000-0000-000000000001/1/2"), Places{});
  EXPECT_EQ(VisibleDevices(all, ""), Places{});
}

TEST(DeviceChoice, ADeviceNamedTwiceShowsNone) {
  EXPECT_EQ(VisibleDevices(Three(), "1,0,1"), Places{});
  EXPECT_EQ(VisibleDevices(Three(), "0,GPU-8a"), Places{});
}

}  // namespace
}  // namespace farlane::abi
