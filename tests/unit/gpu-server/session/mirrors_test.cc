// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/mirrors.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

namespace farlane::server {
namespace {

constexpr uint64_t kBytes = 1_MiB;

// What the client has after it was told a run.
void Tell(std::vector<std::byte>* client, const std::vector<ChangedRun>& runs, ConstBytes now) {
  for (const ChangedRun& run : runs) {
    std::copy_n(now.begin() + static_cast<ptrdiff_t>(run.at), run.bytes,
                client->begin() + static_cast<ptrdiff_t>(run.at));
  }
}

uint64_t BytesOf(const std::vector<ChangedRun>& runs) {
  uint64_t bytes = 0;
  for (const ChangedRun& run : runs) {
    bytes += run.bytes;
  }
  return bytes;
}

TEST(Mirror, ClientHasWhatTheDeviceHasAfterEveryTake) {
  std::mt19937 random(11);
  const std::shared_ptr<Mirror> mirror = Mirror::Make(kBytes + 3);
  std::vector<std::byte> device(kBytes + 3);
  std::vector<std::byte> client(device.size());
  for (int turn = 0; turn < 50; ++turn) {
    for (int change = 0; change < turn * 3; ++change) {
      const size_t at = random() % device.size();
      const size_t bytes = std::min<size_t>(random() % 5000, device.size() - at);
      std::fill_n(device.begin() + static_cast<ptrdiff_t>(at), bytes,
                  static_cast<std::byte>(random()));
    }
    Tell(&client, mirror->Take(0, device), device);

    ASSERT_EQ(client, device) << turn;
    ASSERT_TRUE(mirror->Take(0, device).empty()) << turn;
  }
}

TEST(Mirror, EachByteThatDiffersIsFound) {
  const std::shared_ptr<Mirror> mirror = Mirror::Make(8193);
  std::vector<std::byte> device(8193);
  for (size_t at = 0; at < device.size(); ++at) {
    device[at] = std::byte{1};
    const std::vector<ChangedRun> runs = mirror->Take(0, device);
    ASSERT_EQ(runs.size(), 1u) << at;
    ASSERT_LE(runs[0].at, at);
    ASSERT_GT(runs[0].at + runs[0].bytes, at);
    ASSERT_LE(BytesOf(runs), 64u);
  }
}

TEST(Mirror, TakesAPartAtItsPlace) {
  const std::shared_ptr<Mirror> mirror = Mirror::Make(kBytes);
  const std::vector<std::byte> ones(4096, std::byte{1});
  EXPECT_EQ(BytesOf(mirror->Take(kBytes - 4096, ones)), 4096u);

  std::vector<std::byte> all(kBytes);
  std::copy(ones.begin(), ones.end(), all.end() - 4096);
  EXPECT_TRUE(mirror->Take(0, all).empty());
}

TEST(Mirror, ClosePlacesTravelTogetherAndDistantOnesAlone) {
  const std::shared_ptr<Mirror> mirror = Mirror::Make(kBytes);
  std::vector<std::byte> device(kBytes);
  device[0] = device[300] = std::byte{1};
  device[100'000] = std::byte{1};
  const std::vector<ChangedRun> runs = mirror->Take(0, device);

  ASSERT_EQ(runs.size(), 2u);
  EXPECT_LE(BytesOf(runs), 512u);
}

TEST(Mirror, WhatTheClientSaidItHasIsNotSentBack) {
  const std::shared_ptr<Mirror> mirror = Mirror::Make(kBytes);
  const std::vector<std::byte> said(5000, std::byte{7});
  mirror->Note(3000, said, said.size());
  mirror->Note(100'000, ConstBytes(said).first(8), said.size());  // packed
  std::vector<std::byte> device(kBytes);
  std::copy(said.begin(), said.end(), device.begin() + 3000);
  std::copy(said.begin(), said.end(), device.begin() + 100'000);

  EXPECT_TRUE(mirror->Take(0, device).empty());
}

// What the device takes back has to be sent, though it is what the device had before.
TEST(Mirror, WhatTheDeviceTakesBackIsSent) {
  const std::shared_ptr<Mirror> mirror = Mirror::Make(kBytes);
  const std::vector<std::byte> said(64, std::byte{7});
  mirror->Note(0, said, said.size());

  EXPECT_EQ(BytesOf(mirror->Take(0, std::vector<std::byte>(kBytes))), 64u);
}

TEST(Mirrors, DoNotOverlap) {
  Mirrors mirrors;
  bool made = false;
  ASSERT_TRUE(mirrors.Begin(0x10000, 0x1000, &made));
  EXPECT_TRUE(made);
  for (const uint64_t address : {0xf001, 0x10000, 0x10fff}) {
    EXPECT_FALSE(mirrors.Begin(address, 0x1000, &made)) << address;
  }
  EXPECT_TRUE(mirrors.Begin(0xf000, 0x1000, &made));
  EXPECT_TRUE(mirrors.Begin(0x11000, 0x1000, &made));
}

TEST(Mirrors, FindOnlyWhatLiesInside) {
  Mirrors mirrors;
  bool made = false;
  ASSERT_TRUE(mirrors.Begin(0x10000, 0x1000, &made));
  EXPECT_EQ(mirrors.Find(0x10800, 0x800).at, 0x800u);
  EXPECT_NE(mirrors.Find(0x10800, 0x800).mirror, nullptr);
  EXPECT_EQ(mirrors.Find(0x10800, 0x801).mirror, nullptr);
  EXPECT_EQ(mirrors.Find(0xffff, 1).mirror, nullptr);
  EXPECT_EQ(mirrors.Find(0x11000, 0).mirror, nullptr);
  EXPECT_TRUE(mirrors.End(0x10000));
  EXPECT_FALSE(mirrors.End(0x10000));
  EXPECT_EQ(mirrors.Find(0x10800, 0x800).mirror, nullptr);
}

}  // namespace
}  // namespace farlane::server
