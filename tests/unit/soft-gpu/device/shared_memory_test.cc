// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/shared_memory.h"

#include <gtest/gtest.h>

#include "soft-gpu/device/occupancy.h"

namespace farlane::soft {
namespace {

constexpr uint32_t kKi = 1 << 10;

TEST(SharedMemory, IsWhatTheTableOfComputeCapabilitiesSays) {
  struct Row {
    int capability;
    uint32_t block;
    uint32_t processor;
    uint32_t reserved;
  };

  for (const Row& row :
       {Row{61, 48, 96, 0}, Row{70, 96, 96, 0}, Row{75, 64, 64, 0}, Row{80, 163, 164, 1},
        Row{86, 99, 100, 1}, Row{87, 163, 164, 1}, Row{89, 99, 100, 1}, Row{90, 227, 228, 1},
        Row{100, 227, 228, 1}, Row{103, 227, 228, 1}, Row{120, 99, 100, 1}, Row{121, 99, 100, 1}}) {
    const SharedMemory shared = SharedMemoryOf(row.capability);
    EXPECT_EQ(shared.block_bytes, row.block * kKi) << row.capability;
    EXPECT_EQ(shared.processor_bytes, row.processor * kKi) << row.capability;
    EXPECT_EQ(shared.reserved_bytes, row.reserved * kKi) << row.capability;
  }
}

TEST(SharedMemory, DecidesHowManyBlocksFit) {
  const BlockNeeds needs{.threads = 32, .registers = 16, .shared_bytes = 40 * kKi};
  EXPECT_EQ(BlocksPerProcessor(SharedMemoryOf(75), needs), 1u);
  EXPECT_EQ(BlocksPerProcessor(SharedMemoryOf(80), needs), 4u);
  EXPECT_EQ(BlocksPerProcessor(SharedMemoryOf(89), needs), 2u);
  EXPECT_EQ(BlocksPerProcessor(SharedMemoryOf(90), needs), 5u);
}

TEST(SharedMemory, OneBlockAloneMayHaveAllThatABlockMay) {
  for (const int capability : {70, 75, 80, 86, 90, 120}) {
    const SharedMemory shared = SharedMemoryOf(capability);
    EXPECT_EQ(SharedBytesLeft(shared, 1, 0), shared.block_bytes) << capability;
    EXPECT_EQ(SharedBytesLeft(shared, 2, 0), shared.processor_bytes / 2 - shared.reserved_bytes);
  }
}

}  // namespace
}  // namespace farlane::soft
