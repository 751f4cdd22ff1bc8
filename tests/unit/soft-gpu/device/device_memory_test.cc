// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/device_memory.h"

#include <vector>

#include <gtest/gtest.h>

namespace farlane::soft {
namespace {

class DeviceMemoryTest : public testing::Test {
 protected:
  DeviceMemoryTest() {
    Config config;
    config.memory_bytes = 4 * kFrameBytes;
    space_ = AddressSpace::Create(config).value();
    memory_ = std::make_unique<DeviceMemory>(space_.get(), 1);
  }

  CUresult Allocate(uint64_t size_bytes, uint64_t* address, uint64_t context = 1) {
    AllocationRequest request;
    request.context = context;
    request.size_bytes = size_bytes;
    return memory_->Allocate(request, address);
  }

  uint64_t used_bytes() { return space_->frames(0)->used_bytes(); }

  std::unique_ptr<AddressSpace> space_;
  std::unique_ptr<DeviceMemory> memory_;
};

TEST_F(DeviceMemoryTest, SmallAllocationsShareAFrame) {
  std::vector<uint64_t> addresses(100);
  for (uint64_t& address : addresses) {
    ASSERT_EQ(Allocate(1000, &address), CUDA_SUCCESS);
    EXPECT_EQ(address % 256, 0u);
  }
  EXPECT_EQ(used_bytes(), kFrameBytes);
  for (const uint64_t address : addresses) {
    ASSERT_EQ(memory_->Free(address, {MemoryKind::kDevice}), CUDA_SUCCESS);
  }
  EXPECT_EQ(used_bytes(), 0u);
}

TEST_F(DeviceMemoryTest, IsFullExactlyWhenItsFramesAreTaken) {
  uint64_t first = 0;
  uint64_t second = 0;
  ASSERT_EQ(Allocate(3 * kFrameBytes, &first), CUDA_SUCCESS);
  EXPECT_EQ(Allocate(2 * kFrameBytes, &second), CUDA_ERROR_OUT_OF_MEMORY);
  ASSERT_EQ(Allocate(kFrameBytes, &second), CUDA_SUCCESS);
  uint64_t small = 0;
  EXPECT_EQ(Allocate(1, &small), CUDA_ERROR_OUT_OF_MEMORY);
  ASSERT_EQ(memory_->Free(second, {MemoryKind::kDevice}), CUDA_SUCCESS);
  EXPECT_EQ(Allocate(1, &small), CUDA_SUCCESS);
}

TEST_F(DeviceMemoryTest, FreesOnlyWhatStartsThere) {
  uint64_t address = 0;
  ASSERT_EQ(Allocate(4096, &address), CUDA_SUCCESS);
  EXPECT_EQ(memory_->Free(address + 512, {MemoryKind::kDevice}), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(memory_->Free(address, {MemoryKind::kManaged}), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(memory_->Free(address, {MemoryKind::kDevice}), CUDA_SUCCESS);
  EXPECT_EQ(memory_->Free(address, {MemoryKind::kDevice}), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(DeviceMemoryTest, AContextTakesItsAllocationsWithIt) {
  uint64_t small = 0;
  uint64_t large = 0;
  uint64_t others = 0;
  ASSERT_EQ(Allocate(100, &small, 1), CUDA_SUCCESS);
  ASSERT_EQ(Allocate(2 * kFrameBytes, &large, 1), CUDA_SUCCESS);
  ASSERT_EQ(Allocate(100, &others, 2), CUDA_SUCCESS);
  memory_->FreeContext(1);
  EXPECT_EQ(used_bytes(), kFrameBytes);
  EXPECT_FALSE(space_->table().Find(small).has_value());
  EXPECT_TRUE(space_->table().Find(others).has_value());
}

TEST_F(DeviceMemoryTest, EndsWhereTheProgramSaid) {
  uint64_t address = 0;
  ASSERT_EQ(Allocate(1000, &address), CUDA_SUCCESS);
  EXPECT_TRUE(space_->table().Allows(address, 1000, Access::kReadWrite));
  EXPECT_FALSE(space_->table().Allows(address, 1001, Access::kReadWrite));
  EXPECT_FALSE(space_->table().Allows(address + 1000, 1, Access::kRead));
}

}  // namespace
}  // namespace farlane::soft
