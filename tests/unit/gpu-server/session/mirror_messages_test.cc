// SPDX-License-Identifier: Apache-2.0
// Memory that client and device both use: of what the device has, only what the client lacks is
// sent, and only where the client's own memory is.
#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "tests/support/session_fixture.h"

namespace farlane::server {
namespace {

using wire::WireError;

constexpr uint64_t kBytes = 8_MiB;

class MirrorMessages : public testing::Test {
 protected:
  MirrorMessages() : content_(kBytes) {
    fixture_.UseContext();
    address_ = fixture_.UseMemory(16_MiB);
    client().Post(wire::MemsetD8Async{.dstDevice = address_, .uc = 0, .N = 16_MiB});
    client().Post(wire::MirrorBegin{.address = address_, .bytes = kBytes});
  }

  ScriptedClient& client() { return fixture_.client(); }

  // What came of the range, into what the client has; the number of bytes on the wire.
  uint64_t Fetch(uint64_t at = 0, uint64_t bytes = kBytes) {
    const uint64_t transfer = ++transfers_;
    client().sent_out_bytes = 0;
    client().partial.insert(transfer);
    client().arrived[transfer].assign(content_.begin() + static_cast<ptrdiff_t>(at),
                                      content_.begin() + static_cast<ptrdiff_t>(at + bytes));
    client().Post(wire::MirrorOut{.transfer = transfer, .address = address_ + at, .bytes = bytes});
    client().Flush();
    EXPECT_TRUE(client().PumpUntil([&] { return client().ended.contains(transfer); }));
    EXPECT_EQ(client().ended[transfer], CUDA_SUCCESS);
    std::copy(client().arrived[transfer].begin(), client().arrived[transfer].end(),
              content_.begin() + static_cast<ptrdiff_t>(at));
    return client().sent_out_bytes;
  }

  // All that the device has.
  std::vector<std::byte> OnDevice() {
    const uint64_t transfer = ++transfers_;
    client().Post(
        wire::CopyOut{.transfer = transfer, .address = address_, .width = kBytes, .rows = 1});
    client().Flush();
    EXPECT_TRUE(client().PumpUntil([&] { return client().ended.contains(transfer); }));
    return client().arrived[transfer];
  }

  void ExpectRefused(uint64_t address, uint64_t bytes) {
    const uint64_t transfer = ++transfers_;
    client().Post(wire::MirrorOut{.transfer = transfer, .address = address, .bytes = bytes});
    client().Flush();
    EXPECT_TRUE(client().PumpUntil([&] { return client().ended.contains(transfer); }));
    EXPECT_EQ(client().ended[transfer], CUDA_ERROR_INVALID_VALUE);
  }

  SessionFixture fixture_;
  uint64_t address_ = 0;
  uint64_t transfers_ = 0;
  std::vector<std::byte> content_;  // what the client has
};

TEST_F(MirrorMessages, NothingIsSentWhereTheDeviceHasChangedNothing) {
  EXPECT_EQ(Fetch(), 0u);
  EXPECT_TRUE(client().failures.empty());
}

TEST_F(MirrorMessages, WhatIsSentIsWhatHasChanged) {
  std::vector<std::byte> noise(4_KiB);
  std::mt19937 random(5);
  std::generate(noise.begin(), noise.end(), [&] { return static_cast<std::byte>(random()); });
  const uint64_t at = 5_MiB + 100 * 64;
  client().Post(
      wire::CopyIn{.address = address_ + at, .width = noise.size(), .rows = 1, .data = noise});

  EXPECT_EQ(Fetch(), noise.size());
  EXPECT_EQ(content_, OnDevice());
  EXPECT_EQ(Fetch(), 0u);
}

TEST_F(MirrorMessages, AFillTravelsAsItsValue) {
  client().Post(wire::MemsetD8Async{.dstDevice = address_, .uc = 9, .N = kBytes});

  EXPECT_LT(Fetch(), 1000u);
  EXPECT_EQ(content_, std::vector<std::byte>(kBytes, std::byte{9}));
}

TEST_F(MirrorMessages, WhatTheClientSentIsNotSentBackUnlessTheDeviceChangesIt) {
  const std::vector<std::byte> sent(64_KiB, std::byte{3});
  client().Post(wire::MirrorIn{.address = address_ + 1_MiB, .bytes = sent.size(), .data = sent});
  std::copy(sent.begin(), sent.end(), content_.begin() + 1_MiB);
  EXPECT_EQ(Fetch(), 0u);
  EXPECT_EQ(content_, OnDevice());

  // Back to what it was before the client said something.
  client().Post(wire::MemsetD8Async{.dstDevice = address_ + 1_MiB, .uc = 0, .N = 128});
  EXPECT_NE(Fetch(), 0u);
  EXPECT_EQ(content_, OnDevice());
  EXPECT_EQ(client().copied_in_bytes, sent.size());
}

TEST_F(MirrorMessages, APartComesFromItsPlace) {
  client().Post(wire::MemsetD8Async{.dstDevice = address_, .uc = 1, .N = kBytes});
  Fetch(3_MiB, 1_MiB);

  EXPECT_EQ(content_[3_MiB - 1], std::byte{0});
  EXPECT_EQ(content_[3_MiB], std::byte{1});
  EXPECT_EQ(content_[4_MiB - 1], std::byte{1});
  EXPECT_EQ(content_[4_MiB], std::byte{0});
}

TEST_F(MirrorMessages, WhatIsNoMirrorIsRefused) {
  ExpectRefused(address_ + kBytes, 4096);
  ExpectRefused(address_ + kBytes - 4096, 8192);
  ExpectRefused(address_ - 4096, 4096);
  client().Post(wire::MirrorEnd{.address = address_});
  ExpectRefused(address_, 4096);
  EXPECT_TRUE(client().failures.empty());
}

TEST_F(MirrorMessages, OnlyTheClientsMemoryCanBeMirrored) {
  const wire::Sequence outside =
      client().Post(wire::MirrorBegin{.address = address_ + 15_MiB, .bytes = 2_MiB});
  const wire::Sequence unknown = client().Post(wire::MirrorEnd{.address = address_ + 15_MiB});
  client().Flush();

  EXPECT_TRUE(client().PumpUntil([&] { return client().failures.size() == 2; }));
  EXPECT_EQ(client().failures[0].sequence, outside);
  EXPECT_EQ(client().failures[1].sequence, unknown);
}

// Or a client could have the server keep the same memory any number of times.
TEST_F(MirrorMessages, AnOverlapEndsTheSession) {
  client().Post(wire::MirrorBegin{.address = address_ + kBytes - 1, .bytes = 2});
  client().Flush();

  EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kBreach);
  EXPECT_EQ(fixture_.breach(), WireError::kBadValue);
}

TEST_F(MirrorMessages, APieceThatIsNotAsLongAsItSaysEndsTheSession) {
  const std::vector<std::byte> sent(100, std::byte{3});
  client().Post(wire::MirrorIn{.address = address_, .bytes = 101, .data = sent});
  client().Flush();

  EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kBreach);
  EXPECT_EQ(fixture_.breach(), WireError::kBadValue);
}

}  // namespace
}  // namespace farlane::server
