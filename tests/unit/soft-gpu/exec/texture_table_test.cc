// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/texture_table.h"

#include <gtest/gtest.h>

namespace farlane::soft {
namespace {

TEST(TextureTable, ANumberIsOneTexturesOnly) {
  TextureTable table;
  Texture texture;
  texture.levels = 5;
  const uint64_t first = table.Add(texture);
  ASSERT_NE(first, 0u);
  ASSERT_NE(table.Find(first), nullptr);
  EXPECT_EQ(table.Find(first)->levels, 5u);

  EXPECT_TRUE(table.Remove(first));
  EXPECT_FALSE(table.Remove(first));
  EXPECT_EQ(table.Find(first), nullptr);

  const uint64_t second = table.Add(texture);
  EXPECT_NE(second, first) << "the place is used again, the number is not";
  EXPECT_EQ(table.Find(first), nullptr);
}

TEST(TextureTable, InventedNumbersMeanNothing) {
  TextureTable table;
  table.Add(Texture());
  for (const uint64_t number : {uint64_t{0}, uint64_t{1}, uint64_t{255}, uint64_t{256},
                                ~uint64_t{0}, uint64_t{2} << 20, uint64_t{0xfffff}}) {
    EXPECT_EQ(table.Find(number), nullptr) << number;
    EXPECT_FALSE(table.Remove(number)) << number;
  }
}

TEST(TextureTable, HoldsMoreThanAPage) {
  TextureTable table;
  std::vector<uint64_t> numbers;
  for (uint32_t i = 0; i < 1000; ++i) {
    Texture texture;
    texture.images[0].width = i;
    numbers.push_back(table.Add(texture));
  }
  for (uint32_t i = 0; i < 1000; ++i) {
    ASSERT_NE(table.Find(numbers[i]), nullptr);
    EXPECT_EQ(table.Find(numbers[i])->images[0].width, i);
  }
}

}  // namespace
}  // namespace farlane::soft
