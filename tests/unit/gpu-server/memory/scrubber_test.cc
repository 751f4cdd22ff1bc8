// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/memory/scrubber.h"

#include <gtest/gtest.h>

#include "gpu-server/driver/driver.h"

namespace farlane::server {
namespace {

class ScrubberTest : public testing::Test {
 protected:
  ScrubberTest() : driver_(Driver::Load({.path = FAKE_LIBCUDA}).value()) {}

  std::vector<ChunkHandle> Create(size_t count) {
    std::vector<ChunkHandle> chunks;
    EXPECT_EQ(CreateChunks(driver_->table(), 0, count, &chunks), CUDA_SUCCESS);
    return chunks;
  }

  std::unique_ptr<Driver> driver_;
};

TEST_F(ScrubberTest, PutsZerosWhereBytesWere) {
  const Scrubber scrubber(driver_->table(), 0);
  const std::vector<ChunkHandle> chunks = Create(3);
  bool zero = true;

  ASSERT_EQ(scrubber.Fill(std::span(chunks).subspan(1, 1), 7), CUDA_SUCCESS);
  ASSERT_EQ(scrubber.AreZero(chunks, &zero), CUDA_SUCCESS);
  EXPECT_FALSE(zero);
  ASSERT_EQ(scrubber.Zero(chunks), CUDA_SUCCESS);
  ASSERT_EQ(scrubber.AreZero(chunks, &zero), CUDA_SUCCESS);
  EXPECT_TRUE(zero);
  ReleaseChunks(driver_->table(), chunks);
}

TEST_F(ScrubberTest, LeavesTheCurrentContextAsItWas) {
  CUcontext current = nullptr;
  const Scrubber scrubber(driver_->table(), 0);
  const std::vector<ChunkHandle> chunks = Create(1);
  ASSERT_EQ(scrubber.Zero(chunks), CUDA_SUCCESS);
  ASSERT_EQ(driver_->table().cuCtxGetCurrent(&current), CUDA_SUCCESS);
  EXPECT_EQ(current, nullptr);
  ReleaseChunks(driver_->table(), chunks);
}

TEST_F(ScrubberTest, BelievesADriverThatGivesZeros) {
  EXPECT_EQ(TestFreshMemory(driver_->table(), 0, true), FreshMemory::kZero);
}

// A driver that keeps what was released, and gives it out again as it is.
TEST_F(ScrubberTest, FindsWhatWasLeft) {
  static std::vector<ChunkHandle> kept;
  static const DriverTable* plain = nullptr;
  kept.clear();
  plain = &driver_->table();
  DriverTable hoards = driver_->table();
  hoards.cuMemCreate = [](CUmemGenericAllocationHandle* chunk, size_t bytes,
                          const CUmemAllocationProp* properties, unsigned long long flags) {
    if (kept.empty()) {
      return plain->cuMemCreate(chunk, bytes, properties, flags);
    }
    *chunk = kept.back();
    kept.pop_back();
    return CUDA_SUCCESS;
  };
  hoards.cuMemRelease = [](CUmemGenericAllocationHandle chunk) {
    kept.push_back(chunk);
    return CUDA_SUCCESS;
  };

  EXPECT_EQ(TestFreshMemory(hoards, 0, false), FreshMemory::kZero) << "nothing was left yet";
  EXPECT_EQ(TestFreshMemory(hoards, 0, true), FreshMemory::kDirty);
  EXPECT_EQ(TestFreshMemory(hoards, 0, false), FreshMemory::kDirty) << "as the next process would";
  ReleaseChunks(driver_->table(), kept);
}

TEST_F(ScrubberTest, WithoutMemoryNothingIsKnown) {
  DriverTable full = driver_->table();
  full.cuMemCreate = [](CUmemGenericAllocationHandle*, size_t, const CUmemAllocationProp*,
                        unsigned long long) { return CUDA_ERROR_OUT_OF_MEMORY; };
  EXPECT_EQ(TestFreshMemory(full, 0, true), FreshMemory::kUnknown);
}

}  // namespace
}  // namespace farlane::server
