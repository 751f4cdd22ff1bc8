// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/address_window.h"

#include <bit>
#include <vector>

#include <gtest/gtest.h>

#include "protocol/base/bytes.h"

namespace farlane::soft {
namespace {

std::unique_ptr<AddressWindow> Window() {
  auto window = AddressWindow::Create();
  EXPECT_TRUE(window.ok());
  return std::move(window).value();
}

TEST(AddressWindow, IsAPowerOfTwoOnItsOwnMultiple) {
  const auto window = Window();
  EXPECT_TRUE(std::has_single_bit(window->size_bytes()));
  EXPECT_EQ(window->base() % window->size_bytes(), 0u);
}

TEST(AddressWindow, HonoursAHintThatIsFree) {
  const auto window = Window();
  const uint64_t wish = window->base() + 64_GiB;
  EXPECT_EQ(window->Reserve(1_GiB, 2_MiB, wish), wish);
}

TEST(AddressWindow, TakesAHintForAWishOnly) {
  const auto window = Window();
  const uint64_t wish = window->base() + 64_GiB;
  ASSERT_EQ(window->Reserve(1_GiB, 2_MiB, wish), wish);

  const auto taken = window->Reserve(2_MiB, 2_MiB, wish + 2_MiB);
  ASSERT_TRUE(taken.has_value());
  EXPECT_TRUE(*taken < wish || *taken >= wish + 1_GiB);

  const auto outside = window->Reserve(2_MiB, 2_MiB, window->base() + window->size_bytes());
  ASSERT_TRUE(outside.has_value());
  EXPECT_TRUE(window->Contains(*outside, 2_MiB));
}

TEST(AddressWindow, RefusesWhatDoesNotFit) {
  const auto window = Window();
  EXPECT_FALSE(window->Reserve(window->size_bytes() + 2_MiB, 2_MiB, 0).has_value());
  EXPECT_TRUE(window->Reserve(window->size_bytes(), 2_MiB, 0).has_value());
  EXPECT_FALSE(window->Reserve(2_MiB, 2_MiB, 0).has_value());
}

TEST(AddressWindow, ReleasedNeighboursBecomeOneRangeAgain) {
  const auto window = Window();
  std::vector<uint64_t> bases;
  for (int i = 0; i < 3; ++i) {
    bases.push_back(window->Reserve(2_MiB, 2_MiB, 0).value_or(0));
  }
  window->Release(bases[0], 2_MiB);
  window->Release(bases[2], 2_MiB);
  window->Release(bases[1], 2_MiB);
  EXPECT_EQ(window->Reserve(window->size_bytes(), 2_MiB, 0), window->base());
}

TEST(AddressWindow, ContainsNoRangeThatLeavesIt) {
  const auto window = Window();
  const uint64_t end = window->base() + window->size_bytes();
  EXPECT_TRUE(window->Contains(end - 1, 1));
  EXPECT_FALSE(window->Contains(end - 1, 2));
  EXPECT_FALSE(window->Contains(window->base() - 1, 1));
  EXPECT_FALSE(window->Contains(end - 1, ~uint64_t{0}));
}

}  // namespace
}  // namespace farlane::soft
