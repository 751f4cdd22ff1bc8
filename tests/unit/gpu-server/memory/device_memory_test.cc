// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/memory/device_memory.h"

#include <gtest/gtest.h>

#include "gpu-server/driver/driver.h"
#include "gpu-server/memory/owned_ranges.h"
#include "tests/support/local_credit.h"

namespace farlane::server {
namespace {

using wire::WireError;

class DeviceMemoryTest : public testing::Test {
 protected:
  DeviceMemoryTest()
      : driver_(Driver::Load({.path = FAKE_LIBCUDA}).value()),
        credit_({{.total_bytes = 256_MiB, .limit_bytes = 128_MiB}}),
        memory_(driver_->table(), credit_, credit_.quotas()[0], 0, 0, 1) {
    memory_.Open(std::move(credit_.TakeFirst()[0]));
    start_ = memory_.arena().address;
  }

  WireError Map(uint64_t address, uint64_t bytes) {
    return memory_.Map({.address = address, .bytes = bytes}, &result_);
  }

  WireError Unmap(uint64_t address, uint64_t bytes) {
    return memory_.Unmap({.address = address, .bytes = bytes}, &result_);
  }

  std::unique_ptr<Driver> driver_;
  LocalCredit credit_;
  DeviceMemory memory_;
  uint64_t start_ = 0;
  CUresult result_ = CUDA_SUCCESS;
};

TEST_F(DeviceMemoryTest, OpensWithAnArenaOfManyTimesTheMemoryAndSomeCredit) {
  EXPECT_EQ(memory_.arena().bytes, 2048_MiB);
  EXPECT_EQ(start_ % kChunkBytes, 0u);
  EXPECT_EQ(memory_.credit_bytes(), 32_MiB);  // a quarter of a small device
  EXPECT_EQ(credit_.free_bytes(0), 96_MiB);
}

TEST_F(DeviceMemoryTest, OwnsExactlyWhatIsMapped) {
  ASSERT_EQ(Map(start_ + kChunkBytes, 2 * kChunkBytes), WireError::kNone);
  ASSERT_EQ(result_, CUDA_SUCCESS);

  EXPECT_TRUE(memory_.Owns(start_ + kChunkBytes, 2 * kChunkBytes));
  EXPECT_FALSE(memory_.Owns(start_ + kChunkBytes - 1, 2));
  EXPECT_FALSE(memory_.Owns(start_ + 3 * kChunkBytes - 1, 2));
  EXPECT_FALSE(memory_.Owns(start_ - 1, 1));
  EXPECT_FALSE(memory_.Owns(start_ + kChunkBytes, UINT64_MAX));
  EXPECT_FALSE(memory_.Owns(UINT64_MAX, 2));
}

TEST_F(DeviceMemoryTest, MappingBeyondTheCreditIsABreach) {
  EXPECT_EQ(Map(start_, 34_MiB), WireError::kBadValue);
  EXPECT_EQ(Map(start_, 32_MiB), WireError::kNone);
  EXPECT_EQ(Map(start_ + 32_MiB, kChunkBytes), WireError::kBadValue);
}

TEST_F(DeviceMemoryTest, MappingWhatIsMappedOrOutsideOrCrookedIsABreach) {
  ASSERT_EQ(Map(start_, kChunkBytes), WireError::kNone);

  EXPECT_EQ(Map(start_, kChunkBytes), WireError::kBadValue);
  EXPECT_EQ(Map(start_ - kChunkBytes, kChunkBytes), WireError::kBadValue);
  EXPECT_EQ(Map(start_ + 2048_MiB, kChunkBytes), WireError::kBadValue);
  EXPECT_EQ(Map(start_ + 2046_MiB, 4_MiB), WireError::kBadValue);
  EXPECT_EQ(Map(start_ + 4096, kChunkBytes), WireError::kBadValue);
  EXPECT_EQ(Map(start_ + kChunkBytes, 4096), WireError::kBadValue);
  EXPECT_EQ(Map(start_ + kChunkBytes, 0), WireError::kBadValue);
  EXPECT_EQ(Map(start_ + kChunkBytes, 0 - kChunkBytes), WireError::kBadValue);
}

TEST_F(DeviceMemoryTest, UnmappedMemoryIsCreditAgain) {
  ASSERT_EQ(Map(start_, 32_MiB), WireError::kNone);
  ASSERT_EQ(Unmap(start_ + 2_MiB, 4_MiB), WireError::kNone);

  EXPECT_FALSE(memory_.Owns(start_ + 2_MiB, 1));
  EXPECT_EQ(Unmap(start_ + 2_MiB, 4_MiB), WireError::kBadValue);
  EXPECT_EQ(Map(start_ + 100_MiB, 4_MiB), WireError::kNone);
  EXPECT_EQ(result_, CUDA_SUCCESS);
}

TEST_F(DeviceMemoryTest, AnArenaMovesOnlyWhileNothingIsInIt) {
  ASSERT_EQ(memory_.MoveArena(1, &result_), WireError::kNone);
  ASSERT_EQ(result_, CUDA_SUCCESS);
  EXPECT_NE(memory_.arena().address, start_);
  EXPECT_EQ(memory_.MoveArena(0, &result_), WireError::kBadValue);
  EXPECT_EQ(memory_.MoveArena(kArenaAttempts + 1, &result_), WireError::kBadValue);

  ASSERT_EQ(Map(memory_.arena().address, kChunkBytes), WireError::kNone);

  EXPECT_EQ(memory_.MoveArena(2, &result_), WireError::kBadValue);
}

TEST_F(DeviceMemoryTest, MoreSpaceIsAsGoodAsTheArena) {
  AddressRange space;
  ASSERT_EQ(memory_.AddSpace(0, 8_MiB, &result_, &space), WireError::kNone);
  ASSERT_EQ(result_, CUDA_SUCCESS);
  EXPECT_EQ(space.bytes, 8_MiB);
  const AddressRange first = space;
  // The client could not use it: another, and the first is one no more.
  ASSERT_EQ(memory_.AddSpace(1, 8_MiB, &result_, &space), WireError::kNone);
  EXPECT_NE(space.address, first.address);
  // The two may overlap.
  const uint64_t given_up =
      first.address < space.address ? first.address : first.address + first.bytes - kChunkBytes;
  EXPECT_EQ(Map(given_up, kChunkBytes), WireError::kBadValue);

  ASSERT_EQ(Map(space.address + 2_MiB, 4_MiB), WireError::kNone);
  EXPECT_EQ(result_, CUDA_SUCCESS);
  EXPECT_TRUE(memory_.Owns(space.address + 2_MiB, 4_MiB));
  EXPECT_FALSE(memory_.Owns(space.address, 1));
  EXPECT_EQ(memory_.AddSpace(2, 8_MiB, &result_, &space), WireError::kBadValue) << "it is in use";
  EXPECT_EQ(memory_.AddSpace(0, 4096, &result_, &space), WireError::kBadValue);
  EXPECT_EQ(memory_.AddSpace(kArenaAttempts, 8_MiB, &result_, &space), WireError::kBadValue);
  EXPECT_EQ(Unmap(space.address + 2_MiB, 4_MiB), WireError::kNone);
  EXPECT_EQ(Map(start_, 32_MiB), WireError::kNone) << "what it had backed is credit again";
}

TEST_F(DeviceMemoryTest, AddressesWithoutEndAreRefused) {
  AddressRange space;
  int count = 0;
  do {
    ASSERT_EQ(memory_.AddSpace(0, kChunkBytes, &result_, &space), WireError::kNone);
  } while (result_ == CUDA_SUCCESS && ++count < 1000);
  EXPECT_LT(count, 100);
  ASSERT_EQ(memory_.AddSpace(0, 1ull << 60, &result_, &space), WireError::kNone);
  EXPECT_EQ(result_, CUDA_ERROR_OUT_OF_MEMORY);
}

TEST_F(DeviceMemoryTest, ReturnedCreditIsFreeForOthersAndForTheDriver) {
  ASSERT_EQ(Map(start_, 30_MiB), WireError::kNone);

  EXPECT_EQ(memory_.ReturnCredit(4_MiB), WireError::kBadValue);  // 2 MiB back nothing
  EXPECT_EQ(memory_.ReturnCredit(4096), WireError::kBadValue);
  EXPECT_EQ(memory_.ReturnCredit(2_MiB), WireError::kNone);
  EXPECT_EQ(credit_.free_bytes(0), 98_MiB);
  EXPECT_EQ(memory_.credit_bytes(), 30_MiB);
  EXPECT_EQ(memory_.ReturnCredit(2_MiB), WireError::kBadValue);
  std::vector<ChunkHandle> chunks;
  EXPECT_EQ(CreateChunks(driver_->table(), 0, 113, &chunks), CUDA_SUCCESS);
  ReleaseChunks(driver_->table(), chunks);
}

TEST_F(DeviceMemoryTest, ADriverThatHasLessThanTheFirstCreditGivesLess) {
  DriverTable table = driver_->table();
  static int left = 0;
  left = 5;
  static auto create = table.cuMemCreate;
  create = driver_->table().cuMemCreate;
  table.cuMemCreate = [](CUmemGenericAllocationHandle* chunk, size_t bytes,
                         const CUmemAllocationProp* properties, unsigned long long flags) {
    if (left == 0) {
      left = 5;  // what was made is released before less is tried
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    --left;
    return create(chunk, bytes, properties, flags);
  };
  LocalCredit credit({{.total_bytes = 256_MiB, .limit_bytes = 128_MiB}});
  DeviceMemory memory(table, credit, credit.quotas()[0], 0, 0, 1);

  memory.Open(std::move(credit.TakeFirst()[0]));

  EXPECT_EQ(memory.credit_bytes(), 8_MiB);
  EXPECT_EQ(credit.free_bytes(0), 120_MiB);
}

TEST_F(DeviceMemoryTest, ADriverThatIsShortOfAddressesGivesASmallerArena) {
  DriverTable table = driver_->table();
  static auto reserve = table.cuMemAddressReserve;
  reserve = driver_->table().cuMemAddressReserve;
  table.cuMemAddressReserve = [](CUdeviceptr* address, size_t bytes, size_t alignment,
                                 CUdeviceptr hint, unsigned long long flags) {
    return bytes > 600_MiB ? CUDA_ERROR_OUT_OF_MEMORY
                           : reserve(address, bytes, alignment, hint, flags);
  };
  LocalCredit credit({{.total_bytes = 256_MiB, .limit_bytes = 128_MiB}});
  DeviceMemory memory(table, credit, credit.quotas()[0], 0, 0, 1);

  memory.Open(std::move(credit.TakeFirst()[0]));

  EXPECT_EQ(memory.arena().bytes, 512_MiB);
}

TEST_F(DeviceMemoryTest, LentAddressesAreOwnedAndBackNothingElse) {
  const AddressRange range{.address = start_ + 4_MiB, .bytes = 4_MiB};
  ASSERT_EQ(Map(start_, 2_MiB), WireError::kNone);
  ASSERT_TRUE(memory_.LendAddresses(range));

  EXPECT_TRUE(memory_.Owns(start_ + 4_MiB, 4_MiB));
  EXPECT_FALSE(memory_.LendAddresses({.address = start_ + 6_MiB, .bytes = 4_MiB}));
  EXPECT_FALSE(memory_.LendAddresses({.address = start_, .bytes = 2_MiB}));
  EXPECT_FALSE(memory_.LendAddresses({.address = start_ + 8_MiB, .bytes = 4096}));
  EXPECT_FALSE(memory_.LendAddresses({.address = start_ + 8_MiB, .bytes = 0 - 2_MiB}));
  EXPECT_FALSE(memory_.LendAddresses({.address = start_ - 2_MiB, .bytes = 4_MiB}));
  EXPECT_EQ(Map(start_ + 6_MiB, 2_MiB), WireError::kBadValue);
  EXPECT_EQ(Unmap(start_ + 4_MiB, 2_MiB), WireError::kBadValue);

  memory_.ReturnAddresses(range);
  EXPECT_FALSE(memory_.Owns(start_ + 4_MiB, 1));
  EXPECT_EQ(Map(start_ + 4_MiB, 4_MiB), WireError::kNone);
}

TEST_F(DeviceMemoryTest, AnArenaDoesNotMoveWhileAddressesAreLent) {
  ASSERT_TRUE(memory_.LendAddresses({.address = start_, .bytes = 2_MiB}));

  EXPECT_EQ(memory_.MoveArena(1, &result_), WireError::kBadValue);
}

TEST_F(DeviceMemoryTest, TakenChunksAreInUseUntilTheyComeBack) {
  std::vector<ChunkHandle> chunks;

  EXPECT_FALSE(memory_.TakeChunks(34_MiB, &chunks));
  EXPECT_FALSE(memory_.TakeChunks(0, &chunks));
  EXPECT_FALSE(memory_.TakeChunks(4096, &chunks));
  EXPECT_FALSE(memory_.TakeChunks(0 - 2_MiB, &chunks));
  ASSERT_TRUE(memory_.TakeChunks(30_MiB, &chunks));
  EXPECT_EQ(chunks.size(), 15u);
  EXPECT_EQ(memory_.ReturnCredit(4_MiB), WireError::kBadValue);
  EXPECT_EQ(Map(start_, 4_MiB), WireError::kBadValue);
  memory_.ReturnChunks(chunks);
  EXPECT_EQ(Map(start_, 32_MiB), WireError::kNone);
}

TEST_F(DeviceMemoryTest, WhatTheDriverCannotCreateLeavesNothingBehind) {
  std::vector<ChunkHandle> chunks;

  EXPECT_EQ(CreateChunks(driver_->table(), 0, 200, &chunks), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_TRUE(chunks.empty());
  // 256 MiB less the first credit.
  EXPECT_EQ(CreateChunks(driver_->table(), 0, 112, &chunks), CUDA_SUCCESS);
  ReleaseChunks(driver_->table(), chunks);
}

struct AccessChange {
  uint64_t address;
  uint64_t bytes;
  CUdevice device;
  CUmemAccess_flags flags;

  bool operator==(const AccessChange&) const = default;
};

std::vector<AccessChange> access_changes;

CUresult RecordAccess(CUdeviceptr address,
                      size_t bytes,
                      const CUmemAccessDesc* accesses,
                      size_t count) {
  for (size_t i = 0; i < count; ++i) {
    access_changes.push_back({address, bytes, accesses[i].location.id, accesses[i].flags});
  }
  return CUDA_SUCCESS;
}

TEST_F(DeviceMemoryTest, PeersReachWhatIsMappedBeforeAndAfterUntilTheLastOneGoes) {
  DriverTable table = driver_->table();
  table.cuMemSetAccess = &RecordAccess;
  LocalCredit credit({{.total_bytes = 256_MiB, .limit_bytes = 128_MiB}});
  DeviceMemory memory(table, credit, credit.quotas()[0], 0, 0, 1);
  memory.Open(std::move(credit.TakeFirst()[0]));
  const uint64_t start = memory.arena().address;
  ASSERT_EQ(memory.Map({.address = start, .bytes = kChunkBytes}, &result_), WireError::kNone);
  ASSERT_EQ(memory.Map({.address = start + 2 * kChunkBytes, .bytes = kChunkBytes}, &result_),
            WireError::kNone);

  access_changes.clear();
  ASSERT_EQ(memory.SetPeerAccess(1, true), CUDA_SUCCESS);
  ASSERT_EQ(memory.SetPeerAccess(1, true), CUDA_SUCCESS);
  const CUmemAccess_flags all = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  const CUmemAccess_flags none = CU_MEM_ACCESS_FLAGS_PROT_NONE;
  EXPECT_EQ(access_changes,
            (std::vector<AccessChange>{{start, kChunkBytes, 1, all},
                                       {start + 2 * kChunkBytes, kChunkBytes, 1, all}}));

  access_changes.clear();
  ASSERT_EQ(memory.Map({.address = start + kChunkBytes, .bytes = kChunkBytes}, &result_),
            WireError::kNone);
  EXPECT_EQ(access_changes,
            (std::vector<AccessChange>{{start + kChunkBytes, kChunkBytes, 0, all},
                                       {start + kChunkBytes, kChunkBytes, 1, all}}));

  access_changes.clear();
  ASSERT_EQ(memory.SetPeerAccess(1, false), CUDA_SUCCESS);
  EXPECT_TRUE(access_changes.empty());
  ASSERT_EQ(memory.SetPeerAccess(1, false), CUDA_SUCCESS);
  EXPECT_EQ(access_changes, (std::vector<AccessChange>{{start, 3 * kChunkBytes, 1, none}}));
}

TEST(OwnedRanges, ContainWhatLiesWholeInOneOfThem) {
  OwnedRanges ranges;
  const int owner = 0;
  ranges.Add(1000, 100, &owner);

  EXPECT_TRUE(ranges.Contain(1000, 100));
  EXPECT_TRUE(ranges.Contain(1050, 50));
  EXPECT_FALSE(ranges.Contain(1050, 51));
  EXPECT_FALSE(ranges.Contain(999, 1));
  EXPECT_FALSE(ranges.Contain(1101, 0));
  EXPECT_FALSE(ranges.Contain(1050, UINT64_MAX));

  ranges.RemoveAllOf(&owner);
  EXPECT_FALSE(ranges.Contain(1000, 1));
}

}  // namespace
}  // namespace farlane::server
