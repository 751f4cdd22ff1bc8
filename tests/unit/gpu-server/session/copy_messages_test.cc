// SPDX-License-Identifier: Apache-2.0
// Data between a client and device memory: right bytes, in order, inside the window, and only where
// the client's own memory is.
#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "tests/support/session_fixture.h"

namespace farlane::server {
namespace {

using wire::WireError;

std::vector<std::byte> RandomBytes(size_t size) {
  std::mt19937 random(7);
  std::vector<std::byte> bytes(size);
  std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<std::byte>(random()); });
  return bytes;
}

class CopyMessages : public testing::Test {
 protected:
  CopyMessages() {
    fixture_.UseContext();
    address_ = fixture_.UseMemory(16_MiB);
  }

  ScriptedClient& client() { return fixture_.client(); }

  void SendBytes(uint64_t to, ConstBytes bytes) {
    for (size_t at = 0; at < bytes.size(); at += wire::kPieceBytes) {
      const ConstBytes piece = bytes.subspan(at, std::min(bytes.size() - at, wire::kPieceBytes));
      client().Post(
          wire::CopyIn{.address = to + at, .width = piece.size(), .rows = 1, .data = piece});
    }
  }

  std::vector<std::byte> Fetch(const wire::CopyOut& message) {
    client().Post(message);
    client().Flush();
    EXPECT_TRUE(client().PumpUntil([&] { return client().ended.contains(message.transfer); }));
    EXPECT_EQ(client().ended[message.transfer], CUDA_SUCCESS);
    return client().arrived[message.transfer];
  }

  SessionFixture fixture_;
  uint64_t address_ = 0;
};

TEST_F(CopyMessages, WhatGoesInComesOut) {
  for (const size_t size : {size_t{1}, size_t{4096}, size_t{65'537}, size_t{5_MiB} + 3}) {
    const auto bytes = RandomBytes(size);
    SendBytes(address_ + 5, bytes);

    EXPECT_EQ(Fetch({.transfer = size, .address = address_ + 5, .width = size, .rows = 1}), bytes);
    EXPECT_TRUE(client().failures.empty());
  }
}

TEST_F(CopyMessages, TheWindowComesBackWhenTheDeviceHasTheData) {
  const auto bytes = RandomBytes(3_MiB);
  SendBytes(address_, bytes);
  client().Flush();

  EXPECT_TRUE(client().PumpUntil([&] { return client().copied_in_bytes == bytes.size(); }));
}

// 4 MiB of zeros in the middle of noise.
TEST_F(CopyMessages, WhatRepeatsIsNotSent) {
  constexpr size_t kNoise = 2 * wire::kPieceBytes;
  auto bytes = RandomBytes(2 * kNoise + 4_MiB);
  std::fill_n(bytes.begin() + kNoise, 4_MiB, std::byte{0});
  SendBytes(address_, bytes);

  EXPECT_EQ(Fetch({.transfer = 1, .address = address_, .width = bytes.size(), .rows = 1}), bytes);
  EXPECT_GE(client().sent_out_bytes, 2 * kNoise);
  EXPECT_LT(client().sent_out_bytes, 2 * kNoise + 1000);
}

TEST_F(CopyMessages, WhatIsSentAsAUnitGoesInWhole) {
  const auto unit = RandomBytes(wire::kRepeatedBytes);
  const auto noise = RandomBytes(1000);
  SendBytes(address_, noise);
  client().Post(
      wire::CopyIn{.address = address_ + 3, .width = 101, .pitch = 200, .rows = 4, .data = unit});

  auto expected = noise;
  for (size_t i = 0; i < 404; ++i) {
    expected[3 + i / 101 * 200 + i % 101] = unit[i % unit.size()];
  }
  EXPECT_EQ(Fetch({.transfer = 1, .address = address_, .width = 1000, .rows = 1}), expected);
  EXPECT_EQ(client().copied_in_bytes, 1404u);
}

// A few bytes on the wire must not make the server move more than a piece.
TEST_F(CopyMessages, AUnitForMoreThanAPieceEndsTheSession) {
  client().Post(wire::CopyIn{.address = address_,
                             .width = wire::kPieceBytes + 1,
                             .rows = 1,
                             .data = RandomBytes(wire::kRepeatedBytes)});
  client().Flush();

  EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kBreach);
  EXPECT_EQ(fixture_.breach(), WireError::kBadValue);
}

TEST_F(CopyMessages, RowsArePackedOnTheWire) {
  const auto bytes = RandomBytes(300 * 70);
  client().Post(
      wire::CopyIn{.address = address_, .width = 300, .pitch = 512, .rows = 70, .data = bytes});

  EXPECT_EQ(Fetch({.transfer = 1, .address = address_, .width = 300, .pitch = 512, .rows = 70}),
            bytes);
  // A single row lies where its pitch says.
  const auto row = Fetch({.transfer = 2, .address = address_ + 512 * 9, .width = 300, .rows = 1});
  EXPECT_TRUE(std::equal(row.begin(), row.end(), bytes.begin() + 9 * 300));
}

TEST_F(CopyMessages, RowsLongerThanStagingComeOutWhole) {
  const auto bytes = RandomBytes(2 * (kStagingLargeBytes + 100));
  const size_t width = bytes.size() / 2;
  SendBytes(address_, ConstBytes(bytes).first(width));
  SendBytes(address_ + 4_MiB, ConstBytes(bytes).subspan(width));

  EXPECT_EQ(Fetch({.transfer = 1, .address = address_, .width = width, .pitch = 4_MiB, .rows = 2}),
            bytes);
}

TEST_F(CopyMessages, CompletionNeverOvertakesData) {
  const auto bytes = RandomBytes(4_MiB);
  SendBytes(address_, bytes);
  for (uint64_t transfer = 1; transfer <= 20; ++transfer) {
    client().Post(wire::CopyOut{
        .transfer = transfer, .address = address_, .width = bytes.size() / 4, .rows = 1});
    ASSERT_EQ(client().Call(wire::StreamSynchronize{.hStream = 0}), CUDA_SUCCESS);
    // When the answer was read, everything before it had been.
    ASSERT_TRUE(client().ended.contains(transfer));
    ASSERT_EQ(client().arrived[transfer].size(), bytes.size() / 4);
  }
}

// What is on its way to the client is what its other threads' answers have to wait for.
TEST_F(CopyMessages, DataIsHeldBackUntilTheClientHasTakenWhatWasSent) {
  constexpr uint64_t kBytes = 15_MiB;
  SendBytes(address_, RandomBytes(kBytes));
  client().acknowledges = false;
  client().Post(wire::CopyOut{.transfer = 1, .address = address_, .width = kBytes, .rows = 1});
  client().Flush();

  const wire::Sequence asked = client().Post(wire::MemoryInfo{});
  client().Flush();
  ASSERT_EQ(client().WaitForReply(asked), CUDA_SUCCESS);
  EXPECT_LE(client().arrived[1].size(), transport::kBulkWindowMin + kStagingLargeBytes);
  client().acknowledges = true;
  client().writer().Acknowledge(client().heard());
  ASSERT_EQ(client().Call(wire::MemoryInfo{}), CUDA_SUCCESS);
  ASSERT_TRUE(client().PumpUntil([&] { return client().ended.contains(1); }));
  EXPECT_EQ(client().arrived[1].size(), kBytes);
}

TEST_F(CopyMessages, AWaitGetsAllItsDataWhateverWasTaken) {
  constexpr uint64_t kBytes = 15_MiB;
  SendBytes(address_, RandomBytes(kBytes));
  client().Post(wire::CopyOut{.transfer = 1, .address = address_, .width = kBytes, .rows = 1});

  ASSERT_EQ(client().Call(wire::StreamSynchronize{}), CUDA_SUCCESS);

  EXPECT_EQ(client().arrived[1].size(), kBytes);
}

TEST_F(CopyMessages, AnIdleClientGetsItsDataUnasked) {
  const wire::Handle stream = wire::MakeHandle(wire::HandleKind::kStream, 0, 1);
  client().Post(wire::StreamCreateWithPriority{.phStream = stream});
  client().Post(
      wire::CopyOut{.transfer = 1, .address = address_, .stream = stream, .width = 100, .rows = 1});
  client().Flush();

  EXPECT_TRUE(client().PumpUntil([&] { return client().ended.contains(1); }));
}

TEST_F(CopyMessages, ForeignMemoryIsRefusedAndTheWindowComesBack) {
  const auto bytes = RandomBytes(100);
  client().Post(
      wire::CopyIn{.address = address_ + 16_MiB - 50, .width = 100, .rows = 1, .data = bytes});
  client().Post(wire::CopyOut{.transfer = 1, .address = 4096, .width = 100, .rows = 1});
  client().Post(wire::MemsetD8Async{.dstDevice = address_ - 1, .uc = 1, .N = 1});
  client().Post(wire::MemcpyDtoDAsync{
      .dstDevice = address_, .srcDevice = reinterpret_cast<uint64_t>(&bytes), .ByteCount = 8});
  client().Flush();

  ASSERT_TRUE(client().PumpUntil([&] { return client().failures.size() == 3; }));
  EXPECT_EQ(client().failures[0].result, CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(client().ended[1], CUDA_ERROR_INVALID_VALUE);
  EXPECT_TRUE(client().arrived[1].empty());
  EXPECT_EQ(client().copied_in_bytes, 100u);
}

TEST_F(CopyMessages, ARowCountThatWrapsAroundIsRefused) {
  client().Post(wire::MemsetD2D8Async{.dstDevice = address_,
                                      .dstPitch = 1ull << 40,
                                      .uc = 1,
                                      .Width = 8,
                                      .Height = (1ull << 24) + 1});
  client().Post(wire::MemsetD32Async{.dstDevice = address_, .ui = 1, .N = 1ull << 62});
  client().Flush();

  ASSERT_TRUE(client().PumpUntil([&] { return client().failures.size() == 2; }));
  for (const wire::PostFailed& failure : client().failures) {
    EXPECT_EQ(failure.result, CUDA_ERROR_INVALID_VALUE);  // ours, before the driver's
  }
}

TEST_F(CopyMessages, DataThatIsNotWhatTheShapeSaysEndsTheSession) {
  const auto bytes = RandomBytes(100);
  client().Post(wire::CopyIn{.address = address_, .width = 101, .rows = 1, .data = bytes});
  client().Flush();

  EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kBreach);
  EXPECT_EQ(fixture_.breach(), WireError::kBadValue);
}

TEST_F(CopyMessages, AskingForMoreThanTheWindowEndsTheSession) {
  client().Post(wire::CopyOut{
      .transfer = 1, .address = address_, .width = kTransferWindowBytes + 1, .rows = 1});
  client().Flush();

  EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kBreach);
}

TEST_F(CopyMessages, ASizeThatWrapsAroundEndsTheSession) {
  client().Post(
      wire::CopyOut{.transfer = 1, .address = address_, .width = 1ull << 33, .rows = 1ull << 33});
  client().Flush();

  EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kBreach);
}

TEST_F(CopyMessages, WithoutAContextNothingIsCopied) {
  SessionFixture bare;
  const uint64_t address = bare.UseMemory();
  const auto bytes = RandomBytes(8);
  bare.client().Post(wire::CopyIn{.address = address, .width = 8, .rows = 1, .data = bytes});
  bare.client().Post(wire::CopyOut{.transfer = 1, .address = address, .width = 8, .rows = 1});
  bare.client().Flush();

  ASSERT_TRUE(bare.client().PumpUntil([&] { return bare.client().ended.contains(1); }));
  EXPECT_EQ(bare.client().ended[1], CUDA_ERROR_INVALID_CONTEXT);
  ASSERT_EQ(bare.client().failures.size(), 1u);
  EXPECT_EQ(bare.client().failures[0].result, CUDA_ERROR_INVALID_CONTEXT);
}

}  // namespace
}  // namespace farlane::server
