// SPDX-License-Identifier: Apache-2.0
// What a client can share and import, and what one that lies gets.
#include <gtest/gtest.h>

#include "tests/support/session_fixture.h"

namespace farlane::server {
namespace {

using wire::WireError;

wire::Handle Physical(uint32_t index) {
  return wire::MakeHandle(wire::HandleKind::kPhysical, index, 1);
}

wire::Handle Event(uint32_t index) {
  return wire::MakeHandle(wire::HandleKind::kEvent, index, 1);
}

// A session with 4 MiB at the arena's start.
class ShareMessages : public testing::Test {
 protected:
  ShareMessages() : start_(fixture_.UseMemory(4_MiB)) { fixture_.UseContext(); }

  template <typename Message>
  void Post(const Message& message) {
    fixture_.client().Post(message);
  }

  template <typename Message>
  CUresult Call(const Message& message) {
    return fixture_.client().Call(message);
  }

  template <typename Message>
  void ExpectBreach(const Message& message, WireError expected) {
    Post(message);
    fixture_.client().Flush();
    EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kBreach);
    EXPECT_EQ(fixture_.breach(), expected);
  }

  wire::MemoryShare ShareOf(uint64_t offset, uint64_t bytes) const {
    return {.address = start_ + offset, .bytes = bytes, .device = 0};
  }

  SessionFixture fixture_;
  const uint64_t start_;
};

TEST_F(ShareMessages, BackedChunksGetAName) {
  wire::MemoryShareReply reply;
  EXPECT_EQ(fixture_.client().Call(ShareOf(0, 2_MiB), &reply), CUDA_SUCCESS);
  EXPECT_EQ(reply.token_low, 1u);
  EXPECT_EQ(fixture_.shares().offered(), std::vector<uint64_t>{2_MiB});
}

TEST_F(ShareMessages, WhatIsSharedIsNotTakenAway) {
  EXPECT_EQ(Call(ShareOf(0, 2_MiB)), CUDA_SUCCESS);
  ExpectBreach(wire::MemoryUnmap{.address = start_, .bytes = 4_MiB, .device = 0},
               WireError::kBadValue);
}

TEST_F(ShareMessages, WhatIsBesideItIs) {
  EXPECT_EQ(Call(ShareOf(0, 2_MiB)), CUDA_SUCCESS);
  Post(wire::MemoryUnmap{.address = start_ + 2_MiB, .bytes = 2_MiB, .device = 0});
  wire::MemoryInfoReply info;
  EXPECT_EQ(fixture_.client().Call(wire::MemoryInfo{.device = 0}, &info), CUDA_SUCCESS);
  EXPECT_TRUE(fixture_.client().failures.empty());
}

TEST_F(ShareMessages, MemoryThatIsNotBackedCannotBeShared) {
  ExpectBreach(ShareOf(2_MiB, 4_MiB), WireError::kBadValue);
}

TEST_F(ShareMessages, MemoryOfNobodyCannotBeShared) {
  ExpectBreach(wire::MemoryShare{.address = 4096 * 4096, .bytes = 2_MiB, .device = 0},
               WireError::kBadValue);
}

TEST_F(ShareMessages, PartsOfChunksCannotBeShared) {
  ExpectBreach(ShareOf(4096, 2_MiB), WireError::kBadValue);
}

TEST_F(ShareMessages, NoBytesCannotBeShared) {
  ExpectBreach(ShareOf(0, 0), WireError::kBadValue);
}

TEST_F(ShareMessages, AnInventedNameImportsNothing) {
  for (const uint64_t low : {uint64_t{0}, uint64_t{1}, UINT64_MAX}) {
    EXPECT_EQ(Call(wire::PhysicalImport{
                  .memory = Physical(0), .bytes = 2_MiB, .token_low = low, .device = 0}),
              CUDA_ERROR_INVALID_HANDLE);
    EXPECT_EQ(Call(wire::EventImport{.event = Event(0), .token_low = low}),
              CUDA_ERROR_INVALID_HANDLE);
  }
  // What was not imported cannot be used.
  ExpectBreach(wire::PhysicalRelease{.memory = Physical(0)}, WireError::kBadReference);
}

TEST_F(ShareMessages, SizesThatCannotBeAreRefused) {
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{1}, 2_MiB + 1, UINT64_MAX - 2_MiB + 1}) {
    EXPECT_EQ(Call(wire::PhysicalImport{.memory = Physical(0), .bytes = bytes, .device = 0}),
              CUDA_ERROR_INVALID_VALUE);
  }
  EXPECT_EQ(Call(wire::PhysicalImport{.memory = Physical(0), .bytes = 2_MiB, .device = 9}),
            CUDA_ERROR_INVALID_VALUE);
}

TEST_F(ShareMessages, ReleasedMemoryThatIsSharedIsNoCreditUntilItIsOver) {
  Post(wire::PhysicalCreate{.memory = Physical(0), .bytes = 2_MiB, .device = 0});
  EXPECT_EQ(Call(wire::PhysicalShare{.memory = Physical(0)}), CUDA_SUCCESS);
  const uint64_t free_before = fixture_.credit().free_bytes(0);
  Post(wire::PhysicalRelease{.memory = Physical(0)});
  wire::MemoryInfoReply info;
  EXPECT_EQ(fixture_.client().Call(wire::MemoryInfo{.device = 0}, &info), CUDA_SUCCESS);
  ASSERT_EQ(fixture_.shares().withdrawn().size(), 1u);
  EXPECT_EQ(fixture_.credit().free_bytes(0), free_before);
  fixture_.session().shares().Over(fixture_.shares().withdrawn().front());
  EXPECT_EQ(fixture_.client().Call(wire::MemoryInfo{.device = 0}, &info), CUDA_SUCCESS);
  EXPECT_EQ(fixture_.credit().free_bytes(0), free_before + 2_MiB);
}

TEST_F(ShareMessages, MemoryIsSharedUnderOneName) {
  Post(wire::PhysicalCreate{.memory = Physical(0), .bytes = 2_MiB, .device = 0});
  EXPECT_EQ(Call(wire::PhysicalShare{.memory = Physical(0)}), CUDA_SUCCESS);
  ExpectBreach(wire::PhysicalShare{.memory = Physical(0)}, WireError::kBadReference);
}

TEST_F(ShareMessages, MemoryThatThereIsNotCannotBeShared) {
  ExpectBreach(wire::PhysicalShare{.memory = Physical(3)}, WireError::kBadReference);
}

TEST_F(ShareMessages, AnEventThatThereIsNotIsRefused) {
  EXPECT_EQ(Call(wire::EventShare{.event = Event(4)}), CUDA_ERROR_INVALID_HANDLE);
}

TEST_F(ShareMessages, AHandleOfAnotherKindIsABreach) {
  ExpectBreach(wire::EventImport{.event = Physical(0)}, WireError::kBadReference);
}

}  // namespace
}  // namespace farlane::server
