// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/address_space.h"

#include <cstdlib>

#include <gtest/gtest.h>
#include <unistd.h>

namespace farlane::soft {
namespace {

// Two processes' views of the same three devices, each of which sees only some of them.
class AddressSpaceTest : public testing::Test {
 protected:
  AddressSpaceTest() {
    char path[] = "/tmp/farlane-frames-XXXXXX";
    close(mkstemp(path));
    config_.shared_path = path;
    config_.device_count = 3;
    config_.memory_bytes = 4 * kFrameBytes;
  }

  ~AddressSpaceTest() override { unlink(config_.shared_path.c_str()); }

  std::unique_ptr<AddressSpace> Seeing(std::vector<uint32_t> places) {
    Config config = config_;
    config.visible = std::move(places);
    return AddressSpace::Create(config).value();
  }

  Config config_;
};

TEST_F(AddressSpaceTest, TakesFromTheDevicesThatItSees) {
  const auto mine = Seeing({2, 0});
  const auto all = Seeing({});
  ASSERT_TRUE(mine->frames(0)->Allocate(3 * kFrameBytes).ok());
  EXPECT_EQ(all->frames(2)->used_bytes(), 3 * kFrameBytes);
  EXPECT_EQ(all->frames(0)->used_bytes(), 0u);
  ASSERT_TRUE(all->frames(0)->Allocate(kFrameBytes).ok());
  EXPECT_EQ(mine->frames(1)->used_bytes(), kFrameBytes);
}

TEST_F(AddressSpaceTest, FindsADeviceByItsPlaceIfItIsSeen) {
  const auto space = Seeing({2, 0});
  int device = -1;
  EXPECT_EQ(space->FramesAt(2, &device), space->frames(0));
  EXPECT_EQ(device, 0);
  EXPECT_EQ(space->FramesAt(0, &device), space->frames(1));
  EXPECT_EQ(device, 1);
  EXPECT_EQ(space->FramesAt(1, &device), nullptr);
  EXPECT_EQ(space->FramesAt(1000, &device), nullptr);
}

TEST_F(AddressSpaceTest, MemoryIsSharedWithWhoNumbersDevicesOtherwise) {
  const auto mine = Seeing({1});
  const auto other = Seeing({2, 1});
  const auto extents = mine->frames(0)->Allocate(2 * kFrameBytes);
  ASSERT_TRUE(extents.ok());
  const FrameKey key = mine->frames(0)->Share(*extents);
  int device = -1;
  Frames* const frames = other->FramesAt(key.device, &device);
  ASSERT_NE(frames, nullptr);
  EXPECT_EQ(device, 1);
  const auto joined = frames->Join(key);
  ASSERT_TRUE(joined.ok());
  EXPECT_EQ((*joined)[0].offset_bytes, (*extents)[0].offset_bytes);
  frames->Leave(*joined);
}

}  // namespace
}  // namespace farlane::soft
