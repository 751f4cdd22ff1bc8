// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/memory/virtual_memory.h"

#include <gtest/gtest.h>

#include "gpu-server/driver/driver.h"
#include "tests/support/local_credit.h"

namespace farlane::server {
namespace {

using wire::WireError;

wire::Handle Physical(uint32_t index) {
  return wire::MakeHandle(wire::HandleKind::kPhysical, index, 1);
}

class VirtualMemoryTest : public testing::Test {
 protected:
  VirtualMemoryTest()
      : driver_(Driver::Load({.path = FAKE_LIBCUDA}).value()),
        table_(driver_->table()),
        credit_({{.total_bytes = 256_MiB, .limit_bytes = 128_MiB}}) {
    memories_.push_back(
        std::make_unique<DeviceMemory>(table_, credit_, credit_.quotas()[0], 0, 0, 1));
    memories_[0]->Open(std::move(credit_.TakeFirst()[0]));
    start_ = memories_[0]->arena().address;
    virtual_memory_ = std::make_unique<VirtualMemory>(table_, memories_);
  }

  WireError Create(uint32_t index, uint64_t bytes) {
    return virtual_memory_->Create(Physical(index), memories_[0].get(), bytes);
  }

  // The driver's result; a breach is no result.
  CUresult Map(uint64_t offset, uint64_t bytes, uint32_t index) {
    CUresult result = CUDA_SUCCESS;
    EXPECT_EQ(virtual_memory_->Map({.address = start_ + offset, .bytes = bytes}, Physical(index),
                                   &result),
              WireError::kNone);
    return result;
  }

  CUresult Unmap(uint64_t offset, uint64_t bytes) {
    CUresult result = CUDA_SUCCESS;
    EXPECT_EQ(virtual_memory_->Unmap({.address = start_ + offset, .bytes = bytes}, &result),
              WireError::kNone);
    return result;
  }

  CUresult Open(uint64_t offset, uint64_t bytes) {
    CUresult result = CUDA_SUCCESS;
    EXPECT_EQ(virtual_memory_->SetAccess({.address = start_ + offset, .bytes = bytes}, 0,
                                         CU_MEM_ACCESS_FLAGS_PROT_READWRITE, &result),
              WireError::kNone);
    return result;
  }

  int& At(uint64_t offset) { return *reinterpret_cast<int*>(start_ + offset); }

  // Whether so much of the first 32 MiB of credit backs nothing, and no more.
  bool HasExactlyFree(uint64_t bytes) {
    std::vector<ChunkHandle> chunks;
    if (memories_[0]->TakeChunks(bytes + kChunkBytes, &chunks)) {
      memories_[0]->ReturnChunks(chunks);
      return false;
    }
    const bool enough = bytes == 0 || memories_[0]->TakeChunks(bytes, &chunks);
    memories_[0]->ReturnChunks(chunks);
    return enough;
  }

  std::unique_ptr<Driver> driver_;
  DriverTable table_;
  LocalCredit credit_;
  VirtualMemory::Memories memories_;
  std::unique_ptr<VirtualMemory> virtual_memory_;  // after the memories that it lives from
  uint64_t start_ = 0;
};

TEST_F(VirtualMemoryTest, MappedMemoryKeepsItsBytesAtEveryAddress) {
  ASSERT_EQ(Create(1, 4_MiB), WireError::kNone);
  ASSERT_EQ(Map(16_MiB, 4_MiB, 1), CUDA_SUCCESS);
  ASSERT_EQ(Open(16_MiB, 4_MiB), CUDA_SUCCESS);
  At(18_MiB) = 5;
  ASSERT_EQ(Map(32_MiB, 4_MiB, 1), CUDA_SUCCESS);
  ASSERT_EQ(Open(32_MiB, 4_MiB), CUDA_SUCCESS);

  EXPECT_EQ(At(34_MiB), 5);
  EXPECT_EQ(Unmap(16_MiB, 4_MiB), CUDA_SUCCESS);
  EXPECT_EQ(At(34_MiB), 5);
  EXPECT_TRUE(memories_[0]->Owns(start_ + 32_MiB, 4_MiB));
  EXPECT_FALSE(memories_[0]->Owns(start_ + 16_MiB, 1));
}

TEST_F(VirtualMemoryTest, MemoryComesBackWithItsHandleAndItsLastMapping) {
  ASSERT_EQ(Create(1, 8_MiB), WireError::kNone);
  EXPECT_TRUE(HasExactlyFree(24_MiB));
  ASSERT_EQ(Map(0, 4_MiB, 1), CUDA_SUCCESS);
  ASSERT_EQ(Map(8_MiB, 8_MiB, 1), CUDA_SUCCESS);

  EXPECT_EQ(virtual_memory_->Release(Physical(1)), WireError::kNone);
  EXPECT_EQ(virtual_memory_->Release(Physical(1)), WireError::kBadReference);
  EXPECT_TRUE(HasExactlyFree(24_MiB));
  EXPECT_EQ(Unmap(0, 4_MiB), CUDA_SUCCESS);
  EXPECT_TRUE(HasExactlyFree(24_MiB));
  EXPECT_EQ(Unmap(8_MiB, 8_MiB), CUDA_SUCCESS);
  EXPECT_TRUE(HasExactlyFree(32_MiB));
}

TEST_F(VirtualMemoryTest, NothingIsCreatedBeyondTheCreditOrUnderAForeignHandle) {
  EXPECT_EQ(Create(1, 34_MiB), WireError::kBadValue);
  EXPECT_EQ(Create(1, 0), WireError::kBadValue);
  EXPECT_EQ(Create(1, 0 - kChunkBytes), WireError::kBadValue);
  EXPECT_EQ(Create(1, 32_MiB), WireError::kNone);
  EXPECT_EQ(Create(1, kChunkBytes), WireError::kBadReference);
  EXPECT_EQ(Create(2, kChunkBytes), WireError::kBadValue);
  EXPECT_EQ(virtual_memory_->Create(wire::MakeHandle(wire::HandleKind::kStream, 3, 1),
                                    memories_[0].get(), kChunkBytes),
            WireError::kBadReference);
}

TEST_F(VirtualMemoryTest, MapsOnlyWholeFreeChunksOfAnArena) {
  ASSERT_EQ(Create(1, 4_MiB), WireError::kNone);
  CUresult result = CUDA_SUCCESS;
  ASSERT_EQ(memories_[0]->Map({.address = start_ + 2_MiB, .bytes = 2_MiB}, &result),
            WireError::kNone);

  EXPECT_EQ(Map(0, 4_MiB, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Map(4_MiB + 4096, 2_MiB, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Map(4_MiB, 4096, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Map(4_MiB, 0, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Map(4_MiB, 6_MiB, 1), CUDA_ERROR_INVALID_VALUE);  // more than there is of it
  EXPECT_EQ(Map(4_MiB, 0 - 2_MiB, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Map(memories_[0]->arena().bytes - 2_MiB, 4_MiB, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Map(0 - 2_MiB, 2_MiB, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Map(4_MiB, 4_MiB, 1), CUDA_SUCCESS);
  EXPECT_EQ(Map(6_MiB, 4_MiB, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(virtual_memory_->Map({.address = start_ + 8_MiB, .bytes = 2_MiB}, Physical(2), &result),
            WireError::kBadReference);
  // What was refused has left nothing: all of it can be mapped.
  EXPECT_EQ(Map(8_MiB, 4_MiB, 1), CUDA_SUCCESS);
}

TEST_F(VirtualMemoryTest, OnlyWholeMappingsAreUnmappedAndOpened) {
  ASSERT_EQ(Create(1, 4_MiB), WireError::kNone);
  ASSERT_EQ(Map(4_MiB, 4_MiB, 1), CUDA_SUCCESS);
  ASSERT_EQ(Map(8_MiB, 2_MiB, 1), CUDA_SUCCESS);
  ASSERT_EQ(Map(12_MiB, 2_MiB, 1), CUDA_SUCCESS);
  constexpr CUresult kRefused = CUDA_ERROR_INVALID_VALUE;

  for (const auto& [offset, bytes] : std::vector<std::pair<uint64_t, uint64_t>>{{4_MiB, 2_MiB},
                                                                                {6_MiB, 2_MiB},
                                                                                {4_MiB, 8_MiB},
                                                                                {8_MiB, 6_MiB},
                                                                                {2_MiB, 6_MiB},
                                                                                {4_MiB, 0},
                                                                                {4_MiB, 0 - 2_MiB},
                                                                                {0, 2_MiB}}) {
    EXPECT_EQ(Open(offset, bytes), kRefused) << offset << " " << bytes;
    EXPECT_EQ(Unmap(offset, bytes), kRefused) << offset << " " << bytes;
  }
  EXPECT_EQ(Open(4_MiB, 6_MiB), CUDA_SUCCESS);
  EXPECT_EQ(Unmap(4_MiB, 6_MiB), CUDA_SUCCESS);
  EXPECT_EQ(Unmap(12_MiB, 2_MiB), CUDA_SUCCESS);
}

TEST_F(VirtualMemoryTest, AnUnknownAccessIsABreach) {
  ASSERT_EQ(Create(1, 2_MiB), WireError::kNone);
  ASSERT_EQ(Map(0, 2_MiB, 1), CUDA_SUCCESS);
  CUresult result = CUDA_SUCCESS;

  EXPECT_EQ(virtual_memory_->SetAccess({.address = start_, .bytes = 2_MiB}, 0,
                                       static_cast<CUmemAccess_flags>(2), &result),
            WireError::kBadValue);
}

TEST_F(VirtualMemoryTest, AMappingThatTheDriverRefusesInTheMiddleIsNone) {
  static auto map = table_.cuMemMap;
  static int left = 0;
  map = driver_->table().cuMemMap;
  left = 1;
  table_.cuMemMap = [](CUdeviceptr address, size_t bytes, size_t offset,
                       CUmemGenericAllocationHandle chunk, unsigned long long flags) {
    return left-- > 0 ? map(address, bytes, offset, chunk, flags) : CUDA_ERROR_OUT_OF_MEMORY;
  };
  ASSERT_EQ(Create(1, 4_MiB), WireError::kNone);

  EXPECT_EQ(Map(0, 4_MiB, 1), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_FALSE(memories_[0]->Owns(start_, 1));
  EXPECT_EQ(Unmap(0, 4_MiB), CUDA_ERROR_INVALID_VALUE);
  left = 2;
  EXPECT_EQ(Map(0, 4_MiB, 1), CUDA_SUCCESS);
}

TEST_F(VirtualMemoryTest, WhatTheDriverDoesNotUnmapStaysInUse) {
  ASSERT_EQ(Create(1, 4_MiB), WireError::kNone);
  ASSERT_EQ(Map(0, 4_MiB, 1), CUDA_SUCCESS);
  table_.cuMemUnmap = [](CUdeviceptr, size_t) { return CUDA_ERROR_ILLEGAL_ADDRESS; };

  EXPECT_EQ(Unmap(0, 4_MiB), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(virtual_memory_->Release(Physical(1)), WireError::kNone);

  EXPECT_TRUE(HasExactlyFree(28_MiB));
  CUresult result = CUDA_SUCCESS;
  EXPECT_EQ(memories_[0]->Map({.address = start_, .bytes = 2_MiB}, &result), WireError::kBadValue);
  table_.cuMemUnmap = driver_->table().cuMemUnmap;
}

TEST_F(VirtualMemoryTest, TheEndGivesEverythingBack) {
  ASSERT_EQ(Create(1, 4_MiB), WireError::kNone);
  ASSERT_EQ(Create(2, 4_MiB), WireError::kNone);
  ASSERT_EQ(Map(0, 4_MiB, 1), CUDA_SUCCESS);
  ASSERT_EQ(virtual_memory_->Release(Physical(1)), WireError::kNone);

  virtual_memory_.reset();

  EXPECT_TRUE(HasExactlyFree(32_MiB));
  EXPECT_FALSE(memories_[0]->Owns(start_, 1));
}

}  // namespace
}  // namespace farlane::server
