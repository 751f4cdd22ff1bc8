// SPDX-License-Identifier: Apache-2.0
// What a client can do with memory that it maps by itself, and what it cannot.
#include <gtest/gtest.h>

#include "tests/support/session_fixture.h"

namespace farlane::server {
namespace {

using wire::WireError;

wire::Handle Physical(uint32_t index) {
  return wire::MakeHandle(wire::HandleKind::kPhysical, index, 1);
}

// A session with 4 MiB of memory, mapped and open 16 MiB behind the arena's start.
class VirtualMemoryMessages : public testing::Test {
 protected:
  VirtualMemoryMessages() : start_(fixture_.client().devices[0].arena_address + 16_MiB) {
    fixture_.UseContext();
    Post(wire::PhysicalCreate{.memory = Physical(0), .bytes = 4_MiB, .device = 0});
    Post(wire::PhysicalMap{.address = start_, .bytes = 4_MiB, .memory = Physical(0)});
    Post(wire::PhysicalAccess{.address = start_,
                              .bytes = 4_MiB,
                              .device = 0,
                              .access = CU_MEM_ACCESS_FLAGS_PROT_READWRITE});
  }

  template <typename Message>
  void Post(const Message& message) {
    fixture_.client().Post(message);
  }

  // What the server has to say of all posts so far.
  const std::vector<wire::PostFailed>& Failures() {
    wire::MemoryInfoReply info;
    EXPECT_EQ(fixture_.client().Call(wire::MemoryInfo{.device = 0}, &info), CUDA_SUCCESS);
    return fixture_.client().failures;
  }

  template <typename Message>
  void ExpectBreach(const Message& message, WireError expected) {
    Post(message);
    fixture_.client().Flush();
    EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kBreach);
    EXPECT_EQ(fixture_.breach(), expected);
  }

  SessionFixture fixture_;
  const uint64_t start_;
};

TEST_F(VirtualMemoryMessages, WorkReachesMappedMemoryAcrossMappings) {
  Post(wire::PhysicalCreate{.memory = Physical(1), .bytes = 2_MiB, .device = 0});
  Post(wire::PhysicalMap{.address = start_ + 4_MiB, .bytes = 2_MiB, .memory = Physical(1)});
  Post(wire::PhysicalAccess{.address = start_ + 4_MiB,
                            .bytes = 2_MiB,
                            .device = 0,
                            .access = CU_MEM_ACCESS_FLAGS_PROT_READWRITE});
  Post(wire::MemsetD8Async{.dstDevice = start_, .uc = 9, .N = 6_MiB, .hStream = 0});
  EXPECT_EQ(fixture_.client().Call(wire::DeviceQuiesce{.device = 0}), CUDA_SUCCESS);

  EXPECT_TRUE(Failures().empty());
  EXPECT_EQ(*reinterpret_cast<unsigned char*>(start_ + 6_MiB - 1), 9);
}

TEST_F(VirtualMemoryMessages, WorkDoesNotReachWhatWasUnmapped) {
  Post(wire::PhysicalUnmap{.address = start_, .bytes = 4_MiB});
  Post(wire::MemsetD8Async{.dstDevice = start_, .uc = 9, .N = 1, .hStream = 0});

  ASSERT_EQ(Failures().size(), 1u);
  EXPECT_EQ(Failures()[0].result, CUDA_ERROR_INVALID_VALUE);
}

TEST_F(VirtualMemoryMessages, ConflictsAreRefusedAndChangeNothing) {
  Post(wire::PhysicalMap{.address = start_ + 2_MiB, .bytes = 4_MiB, .memory = Physical(0)});
  Post(wire::PhysicalMap{.address = start_, .bytes = 0 - 2_MiB, .memory = Physical(0)});
  Post(wire::PhysicalMap{.address = 0 - 2_MiB, .bytes = 2_MiB, .memory = Physical(0)});
  Post(wire::PhysicalUnmap{.address = start_, .bytes = 2_MiB});
  Post(wire::PhysicalUnmap{.address = start_, .bytes = UINT64_MAX});
  Post(wire::PhysicalAccess{
      .address = start_, .bytes = 6_MiB, .device = 0, .access = CU_MEM_ACCESS_FLAGS_PROT_READ});

  EXPECT_EQ(Failures().size(), 6u);
  Post(wire::PhysicalUnmap{.address = start_, .bytes = 4_MiB});
  EXPECT_EQ(Failures().size(), 6u);
}

TEST_F(VirtualMemoryMessages, OrdinaryMemoryCannotBeMappedOverIt) {
  ExpectBreach(wire::MemoryMap{.address = start_, .bytes = 2_MiB, .device = 0},
               WireError::kBadValue);
}

TEST_F(VirtualMemoryMessages, OrdinaryMemoryIsNotUnmappedByIt) {
  const uint64_t address = fixture_.UseMemory();
  Post(wire::PhysicalUnmap{.address = address, .bytes = kChunkBytes});

  EXPECT_EQ(Failures().size(), 1u);
  Post(wire::MemoryUnmap{.address = address, .bytes = kChunkBytes, .device = 0});
  EXPECT_EQ(Failures().size(), 1u);
}

TEST_F(VirtualMemoryMessages, ItIsNotUnmappedAsOrdinaryMemory) {
  ExpectBreach(wire::MemoryUnmap{.address = start_, .bytes = 2_MiB, .device = 0},
               WireError::kBadValue);
}

TEST_F(VirtualMemoryMessages, AnUnknownHandleEndsTheSession) {
  ExpectBreach(wire::PhysicalMap{.address = start_ + 4_MiB, .bytes = 2_MiB, .memory = Physical(7)},
               WireError::kBadReference);
}

TEST_F(VirtualMemoryMessages, AHandleOfAnotherKindEndsTheSession) {
  ExpectBreach(wire::PhysicalRelease{.memory = SessionFixture::kContext}, WireError::kBadReference);
}

TEST_F(VirtualMemoryMessages, CreatingBeyondTheCreditEndsTheSession) {
  ExpectBreach(wire::PhysicalCreate{.memory = Physical(1), .bytes = 58_MiB, .device = 0},
               WireError::kBadValue);
}

TEST_F(VirtualMemoryMessages, AnUnknownDeviceEndsTheSession) {
  ExpectBreach(wire::PhysicalAccess{.address = start_,
                                    .bytes = 4_MiB,
                                    .device = 1,
                                    .access = CU_MEM_ACCESS_FLAGS_PROT_READWRITE},
               WireError::kBadValue);
}

}  // namespace
}  // namespace farlane::server
