// SPDX-License-Identifier: Apache-2.0
// What a client can do with device memory, and what it cannot.
#include <gtest/gtest.h>

#include "tests/support/session_fixture.h"

namespace farlane::server {
namespace {

using wire::WireError;

TEST(MemoryMessages, TheWelcomeDescribesTheDevice) {
  SessionFixture fixture;
  const ScriptedClient& client = fixture.client();

  ASSERT_EQ(client.devices.size(), 1u);
  EXPECT_EQ(client.device_names[0], "Fake GPU");
  EXPECT_EQ(client.devices[0].priority_greatest, -5);
  EXPECT_EQ(client.devices[0].total_bytes, 256_MiB);
  EXPECT_EQ(client.devices[0].credit_bytes, 60_MiB);  // a quarter of what may be used
  EXPECT_EQ(client.devices[0].arena_bytes, 2048_MiB);
  EXPECT_EQ(client.attributes[0][CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR], 9);
  EXPECT_EQ(client.attributes[0][CU_DEVICE_ATTRIBUTE_WARP_SIZE],
            CU_DEVICE_ATTRIBUTE_WARP_SIZE * 10);
}

TEST(MemoryMessages, CreditIsGrantedToTheLastByteAndThenRefusedExactly) {
  SessionFixture fixture(128_MiB);
  ScriptedClient& client = fixture.client();
  wire::CreditRequestReply reply;

  EXPECT_EQ(client.devices[0].credit_bytes, 32_MiB);
  EXPECT_EQ(client.Call(wire::CreditRequest{.device = 0, .bytes = 96_MiB + 1}, &reply),
            CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(client.Call(wire::CreditRequest{.device = 0, .bytes = UINT64_MAX}, &reply),
            CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(client.Call(wire::CreditRequest{.device = 0, .bytes = 96_MiB - 1}, &reply),
            CUDA_SUCCESS);
  EXPECT_EQ(reply.granted_bytes, 96_MiB);
  EXPECT_EQ(client.Call(wire::CreditRequest{.device = 0, .bytes = 1}, &reply),
            CUDA_ERROR_OUT_OF_MEMORY);
  wire::MemoryInfoReply info;
  EXPECT_EQ(client.Call(wire::MemoryInfo{.device = 0}, &info), CUDA_SUCCESS);
  EXPECT_EQ(info.free_bytes, 0u);
  EXPECT_EQ(info.total_bytes, 128_MiB);
}

TEST(MemoryMessages, WhatTheDriverCannotGiveIsNotCounted) {
  // Somebody else holds most of the device: the ledger would allow more than there is.
  SessionFixture other;
  wire::CreditRequestReply reply;
  ASSERT_EQ(other.client().Call(wire::CreditRequest{.device = 0, .bytes = 140_MiB}, &reply),
            CUDA_SUCCESS);
  SessionFixture fixture;
  ScriptedClient& client = fixture.client();
  wire::MemoryInfoReply before;
  wire::MemoryInfoReply after;
  ASSERT_EQ(client.Call(wire::MemoryInfo{.device = 0}, &before), CUDA_SUCCESS);

  EXPECT_EQ(client.Call(wire::CreditRequest{.device = 0, .bytes = 100_MiB}, &reply),
            CUDA_ERROR_OUT_OF_MEMORY);

  ASSERT_EQ(client.Call(wire::MemoryInfo{.device = 0}, &after), CUDA_SUCCESS);
  EXPECT_EQ(after.free_bytes, before.free_bytes);
}

// The driver has it, and a session that was given fewer devices must not reach it.
TEST(MemoryMessages, DevicesOfOthersAreRefused) {
  SessionFixture fixture(0, nullptr, false);
  ScriptedClient& client = fixture.client();
  wire::MemoryInfoReply info;

  EXPECT_EQ(client.Call(wire::MemoryInfo{.device = 0}, &info), CUDA_ERROR_INVALID_DEVICE);
  EXPECT_EQ(client.Call(wire::CreditRequest{.device = 0, .bytes = 2_MiB}),
            CUDA_ERROR_INVALID_DEVICE);
  EXPECT_EQ(client.Call(wire::PrimaryRetain{.context = SessionFixture::kContext, .device = 0}),
            CUDA_ERROR_INVALID_DEVICE);
  EXPECT_EQ(client.Call(wire::DeviceQuiesce{.device = 0}), CUDA_ERROR_INVALID_DEVICE);
  EXPECT_EQ(client.Call(wire::ArenaDecline{.device = 0, .attempt = 1}), CUDA_ERROR_INVALID_DEVICE);
}

TEST(MemoryMessages, UnknownDevicesAreRefused) {
  SessionFixture fixture;
  wire::MemoryInfoReply info;

  EXPECT_EQ(fixture.client().Call(wire::MemoryInfo{.device = 1}, &info), CUDA_ERROR_INVALID_DEVICE);
  EXPECT_EQ(fixture.client().Call(wire::MemoryInfo{.device = -1}, &info),
            CUDA_ERROR_INVALID_DEVICE);
  EXPECT_EQ(fixture.client().Call(wire::CreditRequest{.device = 7, .bytes = 1}),
            CUDA_ERROR_INVALID_DEVICE);
}

TEST(MemoryMessages, ADeclinedArenaComesBackElsewhere) {
  // A driver that reserves wherever it is told to, whatever lies there in a test's process: a
  // sanitizer's shadow, for one.
  const std::unique_ptr<Driver> driver = LoadFakeDriver();
  DriverTable table = driver->table();
  table.cuMemAddressReserve = [](CUdeviceptr* address, size_t, size_t, CUdeviceptr hint,
                                 unsigned long long) {
    *address = hint != 0 ? hint : 0x7000'0000'0000;
    return CUDA_SUCCESS;
  };
  table.cuMemAddressFree = [](CUdeviceptr, size_t) { return CUDA_SUCCESS; };
  SessionFixture fixture(0, &table);
  ScriptedClient& client = fixture.client();
  wire::ArenaDeclineReply reply;

  ASSERT_EQ(client.Call(wire::ArenaDecline{.device = 0, .attempt = 1}, &reply), CUDA_SUCCESS);

  EXPECT_EQ(client.devices[0].arena_address, 0x7000'0000'0000u);
  EXPECT_EQ(reply.bytes, client.devices[0].arena_bytes);
  EXPECT_EQ(reply.address, 0x1000'0000'0000u);
}

// Each of these is something no client of ours does.
void ExpectBreach(const wire::MemoryMap& message) {
  SessionFixture fixture;
  wire::MemoryMap moved = message;
  moved.address += fixture.client().devices[0].arena_address;
  fixture.client().Post(moved);
  fixture.client().Flush();
  EXPECT_EQ(fixture.WaitForEnd(), SessionEnd::kBreach);
  EXPECT_EQ(fixture.breach(), WireError::kBadValue);
}

TEST(MemoryMessages, MappingWithoutCreditEndsTheSession) {
  ExpectBreach({.address = 0, .bytes = 62_MiB, .device = 0});
}

TEST(MemoryMessages, MappingOutsideTheArenaEndsTheSession) {
  ExpectBreach({.address = 2048_MiB, .bytes = kChunkBytes, .device = 0});
  ExpectBreach({.address = 0 - kChunkBytes, .bytes = kChunkBytes, .device = 0});
}

TEST(MemoryMessages, MappingPartsOfChunksEndsTheSession) {
  ExpectBreach({.address = 4096, .bytes = kChunkBytes, .device = 0});
  ExpectBreach({.address = 0, .bytes = 4096, .device = 0});
}

TEST(MemoryMessages, MappingOnAnUnknownDeviceEndsTheSession) {
  ExpectBreach({.address = 0, .bytes = kChunkBytes, .device = 1});
}

TEST(MemoryMessages, UnmappingWhatIsNotMappedEndsTheSession) {
  SessionFixture fixture;
  const uint64_t address = fixture.UseMemory(2 * kChunkBytes);
  fixture.client().Post(
      wire::MemoryUnmap{.address = address, .bytes = 3 * kChunkBytes, .device = 0});
  fixture.client().Flush();

  EXPECT_EQ(fixture.WaitForEnd(), SessionEnd::kBreach);
}

TEST(MemoryMessages, AFenceIsReachedAfterAllWorkBeforeIt) {
  SessionFixture fixture;
  fixture.UseContext();
  const uint64_t address = fixture.UseMemory();
  ScriptedClient& client = fixture.client();
  client.Post(wire::MemsetD8Async{.dstDevice = address, .uc = 9, .N = kChunkBytes, .hStream = 0});
  client.Post(wire::MemoryFence{.device = 0, .fence = 77});
  client.Flush();

  ASSERT_TRUE(client.PumpUntil([&] { return !client.fences.empty(); }));

  EXPECT_EQ(client.fences[0].fence, 77u);
  EXPECT_EQ(*reinterpret_cast<unsigned char*>(address + kChunkBytes - 1), 9);
}

TEST(MemoryMessages, CreditThatIsAskedBackIsFreeBeforeTheRecallIsOver) {
  SessionFixture fixture(128_MiB);
  ScriptedClient& client = fixture.client();

  client.Post(wire::CreditReturn{.device = 0, .bytes = 32_MiB, .recall = 5});
  wire::CreditRequestReply reply;
  EXPECT_EQ(client.Call(wire::CreditRequest{.device = 0, .bytes = 128_MiB}, &reply), CUDA_SUCCESS);

  EXPECT_EQ(fixture.credit().finished_recalls, std::vector<uint64_t>{5});
}

TEST(MemoryMessages, ReturningMoreThanIsUnusedEndsTheSession) {
  SessionFixture fixture;
  fixture.UseMemory();
  fixture.client().Post(wire::CreditReturn{.device = 0, .bytes = 60_MiB});
  fixture.client().Flush();

  EXPECT_EQ(fixture.WaitForEnd(), SessionEnd::kBreach);
}

TEST(MemoryMessages, QuiesceWaitsForAllWorkOfTheDevice) {
  SessionFixture fixture;
  fixture.UseContext();
  const uint64_t address = fixture.UseMemory();
  fixture.client().Post(
      wire::MemsetD8Async{.dstDevice = address, .uc = 9, .N = kChunkBytes, .hStream = 0});

  EXPECT_EQ(fixture.client().Call(wire::DeviceQuiesce{.device = 0}), CUDA_SUCCESS);

  EXPECT_EQ(*reinterpret_cast<unsigned char*>(address + kChunkBytes - 1), 9);
}

}  // namespace
}  // namespace farlane::server
