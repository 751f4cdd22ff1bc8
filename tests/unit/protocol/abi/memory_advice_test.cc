// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/memory_advice.h"

#include <random>

#include <gtest/gtest.h>

namespace farlane::abi {
namespace {

CUmemLocation Device(int id) {
  return MemoryAdvice::LocationOf(id);
}

int Ask(const MemoryAdvice& advice, const AddressRange& range, CUmem_range_attribute attribute) {
  int value = -77;
  EXPECT_EQ(advice.Tell(range, attribute, &value, sizeof value), CUDA_SUCCESS);
  return value;
}

bool IsReadMostly(const MemoryAdvice& advice, const AddressRange& range) {
  return Ask(advice, range, CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY) == 1;
}

TEST(MemoryAdvice, HoldsForARangeOnlyWhereItHoldsForAllOfIt) {
  MemoryAdvice advice;
  ASSERT_EQ(advice.Advise({100, 50}, CU_MEM_ADVISE_SET_READ_MOSTLY, {}), CUDA_SUCCESS);
  EXPECT_TRUE(IsReadMostly(advice, {100, 50}));
  EXPECT_TRUE(IsReadMostly(advice, {120, 1}));
  EXPECT_FALSE(IsReadMostly(advice, {99, 2}));
  EXPECT_FALSE(IsReadMostly(advice, {149, 2}));
  EXPECT_FALSE(IsReadMostly(advice, {0, 10}));
  ASSERT_EQ(advice.Advise({110, 10}, CU_MEM_ADVISE_UNSET_READ_MOSTLY, {}), CUDA_SUCCESS);
  EXPECT_FALSE(IsReadMostly(advice, {100, 50}));
  EXPECT_TRUE(IsReadMostly(advice, {120, 30}));
}

TEST(MemoryAdvice, PlacesThatDifferAreNone) {
  MemoryAdvice advice;
  ASSERT_EQ(advice.Advise({0, 10}, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, Device(1)), CUDA_SUCCESS);
  ASSERT_EQ(advice.Advise({10, 10}, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, Device(CU_DEVICE_CPU)),
            CUDA_SUCCESS);
  EXPECT_EQ(Ask(advice, {0, 10}, CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION), 1);
  EXPECT_EQ(Ask(advice, {10, 10}, CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION), CU_DEVICE_CPU);
  EXPECT_EQ(Ask(advice, {0, 20}, CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION), CU_DEVICE_INVALID);
  EXPECT_EQ(Ask(advice, {0, 20}, CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_TYPE),
            CU_MEM_LOCATION_TYPE_INVALID);
}

TEST(MemoryAdvice, TellsUsersOfTheWholeRangeAndFillsWithNone) {
  MemoryAdvice advice;
  ASSERT_EQ(advice.Advise({0, 20}, CU_MEM_ADVISE_SET_ACCESSED_BY, Device(2)), CUDA_SUCCESS);
  ASSERT_EQ(advice.Advise({0, 10}, CU_MEM_ADVISE_SET_ACCESSED_BY, Device(0)), CUDA_SUCCESS);
  int users[3] = {9, 9, 9};
  ASSERT_EQ(advice.Tell({0, 10}, CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY, users, sizeof users),
            CUDA_SUCCESS);
  EXPECT_EQ(users[0], 0);
  EXPECT_EQ(users[1], 2);
  EXPECT_EQ(users[2], CU_DEVICE_INVALID);
  ASSERT_EQ(advice.Tell({0, 20}, CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY, users, sizeof users),
            CUDA_SUCCESS);
  EXPECT_EQ(users[0], 2);
  EXPECT_EQ(users[1], CU_DEVICE_INVALID);
}

TEST(MemoryAdvice, RefusesWhatMakesNoSense) {
  MemoryAdvice advice;
  int value = 0;
  EXPECT_EQ(advice.Advise({0, 1}, static_cast<CUmem_advise>(99), {}), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(advice.Advise({0, 1}, CU_MEM_ADVISE_SET_ACCESSED_BY, {}), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(advice.NotePrefetch({0, 1}, {}), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(advice.Tell({0, 1}, CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY, &value, 2),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(advice.Tell({0, 1}, CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY, &value, 0),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(advice.Tell({0, 1}, static_cast<CUmem_range_attribute>(99), &value, sizeof value),
            CUDA_ERROR_INVALID_VALUE);
}

// Every byte by itself is the model.
TEST(MemoryAdvice, AgreesWithAListOfBytes) {
  constexpr uint64_t kBytes = 64;
  std::mt19937 random(7);
  MemoryAdvice advice;
  std::vector<bool> mostly(kBytes);
  std::vector<int> sent(kBytes, CU_DEVICE_INVALID);
  for (int round = 0; round < 3000; ++round) {
    const uint64_t at = random() % kBytes;
    const uint64_t bytes = 1 + random() % (kBytes - at);
    const int device = static_cast<int>(random() % 3);
    const unsigned act = random() % 4;
    if (act == 0) {
      const bool set = random() % 2 == 0;
      ASSERT_EQ(
          advice.Advise({at, bytes},
                        set ? CU_MEM_ADVISE_SET_READ_MOSTLY : CU_MEM_ADVISE_UNSET_READ_MOSTLY, {}),
          CUDA_SUCCESS);
      std::fill_n(mostly.begin() + static_cast<ptrdiff_t>(at), bytes, set);
    } else if (act == 1) {
      ASSERT_EQ(advice.NotePrefetch({at, bytes}, Device(device)), CUDA_SUCCESS);
      std::fill_n(sent.begin() + static_cast<ptrdiff_t>(at), bytes, device);
    } else if (act == 2 && random() % 8 == 0) {
      advice.Forget({at, bytes});
      std::fill_n(mostly.begin() + static_cast<ptrdiff_t>(at), bytes, false);
      std::fill_n(sent.begin() + static_cast<ptrdiff_t>(at), bytes, CU_DEVICE_INVALID);
    }
    bool all = true;
    bool same = true;
    for (uint64_t i = at; i < at + bytes; ++i) {
      all = all && mostly[i];
      same = same && sent[i] == sent[at];
    }
    ASSERT_EQ(IsReadMostly(advice, {at, bytes}), all) << "round " << round;
    ASSERT_EQ(Ask(advice, {at, bytes}, CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION),
              same ? sent[at] : CU_DEVICE_INVALID)
        << "round " << round;
  }
}

}  // namespace
}  // namespace farlane::abi
