// SPDX-License-Identifier: Apache-2.0
#include "protocol/wire/packed_bytes.h"

#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace farlane::wire {
namespace {

// `size` bytes that repeat a unit of so many.
std::vector<std::byte> Repeated(size_t size, size_t unit) {
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>(17 + i % unit * 31);
  }
  return bytes;
}

std::vector<std::byte> Unpacked(ConstBytes sent, uint64_t bytes, uint64_t at, size_t size) {
  std::vector<std::byte> to(size + 1, std::byte{0xee});  // the last one is not to be touched
  Unpack(sent, bytes, at, Bytes(to).first(size));
  EXPECT_EQ(to.back(), std::byte{0xee});
  to.pop_back();
  return to;
}

TEST(PackedBytes, WhatRepeatsIsItsFirstBytes) {
  for (const size_t unit : {1u, 2u, 4u, 8u}) {
    for (const size_t size : {512u, 513u, 4099u, 65'536u}) {
      SCOPED_TRACE(std::to_string(unit) + " in " + std::to_string(size));
      const auto bytes = Repeated(size, unit);
      const ConstBytes sent = Pack(bytes);
      EXPECT_EQ(sent.size(), kRepeatedBytes);
      EXPECT_TRUE(IsPackOf(sent, size));
      EXPECT_EQ(Unpacked(sent, size, 0, size), bytes);
    }
  }
}

TEST(PackedBytes, OneByteThatDiffersAnywhereIsSent) {
  for (size_t at = 0; at < 700; ++at) {
    SCOPED_TRACE(at);
    std::vector<std::byte> bytes(700);
    bytes[at] = std::byte{1};
    const ConstBytes sent = Pack(bytes);
    ASSERT_EQ(sent.data(), bytes.data());
    ASSERT_EQ(sent.size(), bytes.size());
  }
}

TEST(PackedBytes, UnitsOfOtherLengthsAreSentAsTheyAre) {
  for (const size_t unit : {3u, 5u, 7u, 9u, 16u}) {
    const auto bytes = Repeated(4096, unit);
    EXPECT_EQ(Pack(bytes).size(), bytes.size()) << unit;
  }
}

TEST(PackedBytes, LittleIsSentAsItIs) {
  for (const size_t size : {0u, 1u, 8u, 9u, 511u}) {
    const std::vector<std::byte> bytes(size);
    EXPECT_EQ(Pack(bytes).size(), size);
  }
}

TEST(PackedBytes, AnyPartIsAsItWas) {
  std::mt19937 random(11);
  auto noise = Repeated(1000, 1000);
  std::shuffle(noise.begin(), noise.end(), random);
  for (const auto& bytes : {Repeated(1000, 1), Repeated(1000, 4), Repeated(1000, 8), noise}) {
    const ConstBytes sent = Pack(bytes);
    for (int round = 0; round < 500; ++round) {
      const size_t at = random() % (bytes.size() + 1);
      const size_t size = random() % (bytes.size() - at + 1);
      const auto part = std::vector(bytes.begin() + static_cast<ptrdiff_t>(at),
                                    bytes.begin() + static_cast<ptrdiff_t>(at + size));
      ASSERT_EQ(Unpacked(sent, bytes.size(), at, size), part) << at << ", " << size;
    }
  }
}

TEST(PackedBytes, NothingElseIsAPiece) {
  const std::vector<std::byte> bytes(100);
  const auto is_pack = [&](size_t sent, uint64_t of) {
    return IsPackOf(ConstBytes(bytes).first(sent), of);
  };
  EXPECT_TRUE(is_pack(0, 0));
  EXPECT_TRUE(is_pack(8, 8));
  EXPECT_TRUE(is_pack(8, 9));
  EXPECT_TRUE(is_pack(100, 100));
  EXPECT_FALSE(is_pack(8, 7));
  EXPECT_FALSE(is_pack(8, 0));
  EXPECT_FALSE(is_pack(7, 100));
  EXPECT_FALSE(is_pack(9, 100));
  EXPECT_FALSE(is_pack(99, 100));
  EXPECT_FALSE(is_pack(0, 1));
}

}  // namespace
}  // namespace farlane::wire
