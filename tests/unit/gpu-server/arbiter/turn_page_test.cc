// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/arbiter/turn_page.h"

#include <gtest/gtest.h>

namespace farlane::server {
namespace {

// More than fit one page of memory.
constexpr size_t kDevices = 100;

TEST(TurnPage, AWorkerOfTheLaterDevicesCountsThemFromZero) {
  const Result<TurnMemory> made = TurnMemory::Make(kDevices, true);
  ASSERT_TRUE(made.ok());
  const Result<TurnMemory> taken = TurnMemory::Take(made->descriptor(), 2, true, kDevices - 2);
  ASSERT_TRUE(taken.ok());
  made->grants()[kDevices - 1].turn.store(7);
  EXPECT_EQ(taken->grants()[1].turn.load(), 7u);
  EXPECT_EQ(taken->grants()[0].turn.load(), 0u);
}

TEST(TurnPage, WhatAWorkerSaysOfItsLastDeviceIsOnThePage) {
  const Result<TurnMemory> made = TurnMemory::Make(kDevices, true);
  ASSERT_TRUE(made.ok());
  const Result<TurnMemory> taken = TurnMemory::Take(made->descriptor(), 1, true, kDevices - 1);
  ASSERT_TRUE(taken.ok());
  taken->uses()[0].used_ns.store(9);
  EXPECT_EQ(made->uses()[kDevices - 1].used_ns.load(), 9u);
}

TEST(TurnPage, APageThatIsTooSmallIsRefused) {
  const Result<TurnMemory> made = TurnMemory::Make(2, true);
  ASSERT_TRUE(made.ok());
  EXPECT_FALSE(TurnMemory::Take(made->descriptor(), 2, true, kDevices).ok());
}

}  // namespace
}  // namespace farlane::server
