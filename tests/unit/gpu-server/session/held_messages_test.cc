// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/held_messages.h"

#include <cstring>
#include <vector>

#include <gtest/gtest.h>

namespace farlane::server {
namespace {

TEST(HeldMessages, ABodyStaysWhenItsBufferGoes) {
  HeldMessages held;
  std::vector<std::byte> buffer(8, std::byte{1});
  held.Add({.op = 3, .sequence = 5, .body = buffer});
  memset(buffer.data(), 2, buffer.size());
  held.Add({.op = 4, .sequence = 6, .body = {}});
  ASSERT_EQ(held.front().sequence, 5u);
  ASSERT_EQ(held.front().body.size(), 8u);
  EXPECT_EQ(held.front().body[7], std::byte{1});
  held.Drop();
  EXPECT_EQ(held.front().op, 4);
  EXPECT_TRUE(held.front().body.empty());
  held.Drop();
  EXPECT_TRUE(held.empty());
}

TEST(HeldMessages, AFullOneHasRoomAgainWhenSomethingGoes) {
  HeldMessages held;
  const std::vector<std::byte> body(1_MiB);
  for (uint64_t i = 0; i < HeldMessages::kBytesMax / body.size(); ++i) {
    EXPECT_FALSE(held.full());
    held.Add({.op = 1, .sequence = i + 1, .body = body});
  }
  EXPECT_TRUE(held.full());
  held.Drop();
  EXPECT_FALSE(held.full());
}

TEST(HeldMessages, MessagesWithoutABodyFillItToo) {
  HeldMessages held;
  uint64_t count = 0;
  while (!held.full()) {
    held.Add({.op = 1, .sequence = ++count, .body = {}});
  }
  EXPECT_LT(count, HeldMessages::kBytesMax / 32);
}

}  // namespace
}  // namespace farlane::server
