// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/virtual_memory.h"

#include <gtest/gtest.h>

#include "soft-gpu/device/copy.h"

namespace farlane::soft {
namespace {

class VirtualMemoryTest : public testing::Test {
 protected:
  VirtualMemoryTest() {
    Config config;
    config.memory_bytes = 8 * kFrameBytes;
    space_ = AddressSpace::Create(config).value();
    memory_ = std::make_unique<VirtualMemory>(space_.get());
  }

  // Memory of one size at an address, open to device 0.
  uint64_t MakeOpen(uint64_t size_bytes, uint64_t* handle) {
    uint64_t base = 0;
    EXPECT_EQ(memory_->Reserve(size_bytes, 0, 0, &base), CUDA_SUCCESS);
    EXPECT_EQ(memory_->Create(0, size_bytes, {}, handle), CUDA_SUCCESS);
    EXPECT_EQ(memory_->Map(base, size_bytes, 0, *handle), CUDA_SUCCESS);
    EXPECT_EQ(memory_->SetAccess(base, size_bytes, 0, Access::kReadWrite), CUDA_SUCCESS);
    return base;
  }

  uint64_t used_bytes() { return space_->frames(0)->used_bytes(); }

  static volatile int& At(uint64_t address) { return *reinterpret_cast<volatile int*>(address); }

  std::unique_ptr<AddressSpace> space_;
  std::unique_ptr<VirtualMemory> memory_;
};

TEST_F(VirtualMemoryTest, MappedMemoryKeepsItsBytesAtEveryAddress) {
  uint64_t handle = 0;
  const uint64_t base = MakeOpen(2 * kFrameBytes, &handle);
  At(base + kFrameBytes) = 42;
  uint64_t other = 0;
  ASSERT_EQ(memory_->Reserve(2 * kFrameBytes, 0, 0, &other), CUDA_SUCCESS);

  ASSERT_EQ(memory_->Map(other, 2 * kFrameBytes, 0, handle), CUDA_SUCCESS);
  ASSERT_EQ(memory_->SetAccess(other, 2 * kFrameBytes, 0, Access::kReadWrite), CUDA_SUCCESS);
  EXPECT_EQ(At(other + kFrameBytes), 42);
  At(other) = 7;
  EXPECT_EQ(At(base), 7);
}

TEST_F(VirtualMemoryTest, IsOutOfReachUntilAccessIsGiven) {
  uint64_t base = 0;
  uint64_t handle = 0;
  ASSERT_EQ(memory_->Reserve(kFrameBytes, 0, 0, &base), CUDA_SUCCESS);
  ASSERT_EQ(memory_->Create(0, kFrameBytes, {}, &handle), CUDA_SUCCESS);
  ASSERT_EQ(memory_->Map(base, kFrameBytes, 0, handle), CUDA_SUCCESS);
  EXPECT_FALSE(space_->table().Allows(base, 1, Access::kRead));

  ASSERT_EQ(memory_->SetAccess(base, kFrameBytes, 0, Access::kRead), CUDA_SUCCESS);
  EXPECT_TRUE(space_->table().Allows(base, kFrameBytes, Access::kRead));
  EXPECT_FALSE(space_->table().Allows(base, 1, Access::kReadWrite));
  EXPECT_EQ(At(base), 0);
}

TEST_F(VirtualMemoryTest, MemoryLivesWhileAHandleOrAMappingDoes) {
  uint64_t handle = 0;
  const uint64_t base = MakeOpen(kFrameBytes, &handle);
  At(base) = 1;
  ASSERT_EQ(memory_->Release(handle), CUDA_SUCCESS);
  EXPECT_EQ(At(base), 1);
  EXPECT_EQ(used_bytes(), kFrameBytes);
  EXPECT_EQ(memory_->Release(handle), CUDA_ERROR_INVALID_VALUE);

  uint64_t again = 0;
  ASSERT_EQ(memory_->Retain(base + 5, &again), CUDA_SUCCESS);
  EXPECT_EQ(again, handle);
  ASSERT_EQ(memory_->Unmap(base, kFrameBytes), CUDA_SUCCESS);
  EXPECT_EQ(used_bytes(), kFrameBytes);
  ASSERT_EQ(memory_->Release(again), CUDA_SUCCESS);
  EXPECT_EQ(used_bytes(), 0u);
}

TEST_F(VirtualMemoryTest, RefusesWhatTheManualRefuses) {
  uint64_t base = 0;
  uint64_t handle = 0;
  EXPECT_EQ(memory_->Reserve(kFrameBytes + 1, 0, 0, &base), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(memory_->Reserve(kFrameBytes, 3, 0, &base), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(memory_->Create(0, kFrameBytes / 2, {}, &handle), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(memory_->Create(0, 9 * kFrameBytes, {}, &handle), CUDA_ERROR_OUT_OF_MEMORY);
  ASSERT_EQ(memory_->Reserve(2 * kFrameBytes, 0, 0, &base), CUDA_SUCCESS);
  ASSERT_EQ(memory_->Create(0, kFrameBytes, {}, &handle), CUDA_SUCCESS);

  EXPECT_EQ(memory_->Map(base, 2 * kFrameBytes, 0, handle), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(memory_->Map(base + 2 * kFrameBytes, kFrameBytes, 0, handle), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(memory_->Map(base, kFrameBytes, 0, handle + 1), CUDA_ERROR_INVALID_VALUE);
  ASSERT_EQ(memory_->Map(base, kFrameBytes, 0, handle), CUDA_SUCCESS);
  EXPECT_EQ(memory_->Map(base, kFrameBytes, 0, handle), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(memory_->SetAccess(base, 2 * kFrameBytes, 0, Access::kRead), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(memory_->Unmap(base, kFrameBytes / 2), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(memory_->Unmap(base, 3 * kFrameBytes), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(memory_->Unmap(base + kFrameBytes, kFrameBytes), CUDA_SUCCESS);  // nothing is there
  EXPECT_EQ(memory_->FreeReservation(base, 2 * kFrameBytes), CUDA_ERROR_INVALID_VALUE);
  ASSERT_EQ(memory_->Unmap(base, 2 * kFrameBytes), CUDA_SUCCESS);  // with what is not mapped
  EXPECT_EQ(memory_->FreeReservation(base, kFrameBytes), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(memory_->FreeReservation(base, 2 * kFrameBytes), CUDA_SUCCESS);
}

TEST_F(VirtualMemoryTest, NewMemoryNeverShowsOldBytes) {
  uint64_t handle = 0;
  const uint64_t base = MakeOpen(kFrameBytes, &handle);
  At(base) = 99;
  ASSERT_EQ(memory_->Unmap(base, kFrameBytes), CUDA_SUCCESS);
  ASSERT_EQ(memory_->Release(handle), CUDA_SUCCESS);

  EXPECT_EQ(At(MakeOpen(kFrameBytes, &handle)), 0);
}

TEST_F(VirtualMemoryTest, ACopyOfUnmappedMemoryFailsAndDoesNotCrash) {
  uint64_t handle = 0;
  const uint64_t base = MakeOpen(kFrameBytes, &handle);
  ASSERT_EQ(memory_->Unmap(base, kFrameBytes), CUDA_SUCCESS);

  int host = 5;
  CopyRequest copy;
  copy.to.address = base;
  copy.to.known = true;
  copy.from.address = reinterpret_cast<uint64_t>(&host);
  copy.box.width_bytes = sizeof host;
  EXPECT_FALSE(Copy(space_.get(), copy));
}

}  // namespace
}  // namespace farlane::soft
