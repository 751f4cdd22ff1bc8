// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/handle_table.h"

#include <gtest/gtest.h>

namespace farlane::server {
namespace {

using wire::HandleKind;
using wire::MakeHandle;
using wire::WireError;

TEST(HandleTable, FindsOnlyTheVeryHandleThatWasBound) {
  HandleTable<int> table(HandleKind::kStream);
  const wire::Handle handle = MakeHandle(HandleKind::kStream, 700, 3);
  ASSERT_EQ(table.CheckNew(handle), WireError::kNone);
  table.Bind(handle, 42);

  ASSERT_NE(table.Find(handle), nullptr);
  EXPECT_EQ(*table.Find(handle), 42);
  EXPECT_EQ(table.Find(MakeHandle(HandleKind::kStream, 700, 2)), nullptr);
  EXPECT_EQ(table.Find(MakeHandle(HandleKind::kStream, 700, 4)), nullptr);
  EXPECT_EQ(table.Find(MakeHandle(HandleKind::kEvent, 700, 3)), nullptr);
  EXPECT_EQ(table.Find(MakeHandle(HandleKind::kStream, 701, 3)), nullptr);
  EXPECT_EQ(table.Find(MakeHandle(HandleKind::kStream, 5000, 3)), nullptr);
  EXPECT_EQ(table.Find(0), nullptr);
  EXPECT_EQ(table.Find(UINT64_MAX), nullptr);
}

TEST(HandleTable, RefusesHandlesThatNobodyMayMake) {
  HandleTable<int> table(HandleKind::kStream);
  const wire::Handle handle = MakeHandle(HandleKind::kStream, 1, 1);
  table.Bind(handle, 1);

  EXPECT_EQ(table.CheckNew(handle), WireError::kBadReference);
  EXPECT_EQ(table.CheckNew(MakeHandle(HandleKind::kStream, 1, 2)), WireError::kBadReference);
  EXPECT_EQ(table.CheckNew(MakeHandle(HandleKind::kEvent, 2, 1)), WireError::kBadReference);
  EXPECT_EQ(table.CheckNew(MakeHandle(HandleKind::kStream, 2, 0)), WireError::kBadReference);
  EXPECT_EQ(table.CheckNew(MakeHandle(HandleKind::kStream, wire::kHandleIndexMax, 1)),
            WireError::kBadReference);
  EXPECT_EQ(table.CheckNew(MakeHandle(HandleKind::kStream, wire::kHandleIndexMax - 1, 1)),
            WireError::kNone);
}

TEST(HandleTable, ATakenHandleIsDeadAndItsIndexFree) {
  HandleTable<int> table(HandleKind::kStream);
  const wire::Handle handle = MakeHandle(HandleKind::kStream, 1, 1);
  table.Bind(handle, 7);
  int taken = 0;

  EXPECT_TRUE(table.Take(handle, &taken));
  EXPECT_EQ(taken, 7);
  EXPECT_FALSE(table.Take(handle, &taken));
  EXPECT_EQ(table.Find(handle), nullptr);
  EXPECT_EQ(table.CheckNew(MakeHandle(HandleKind::kStream, 1, 2)), WireError::kNone);
}

TEST(HandleTable, ErasesWhatIsDead) {
  HandleTable<int> table(HandleKind::kStream);
  for (uint32_t i = 0; i < 1000; ++i) {
    table.Bind(MakeHandle(HandleKind::kStream, i, 1), static_cast<int>(i));
  }

  table.EraseIf([](int value) { return value % 2 == 0; });

  int left = 0;
  table.ForEach([&left](int) { ++left; });
  EXPECT_EQ(left, 500);
  EXPECT_EQ(table.Find(MakeHandle(HandleKind::kStream, 998, 1)), nullptr);
  EXPECT_NE(table.Find(MakeHandle(HandleKind::kStream, 999, 1)), nullptr);
}

}  // namespace
}  // namespace farlane::server
