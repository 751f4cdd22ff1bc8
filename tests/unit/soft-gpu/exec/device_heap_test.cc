// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/device_heap.h"

#include <set>

#include <gtest/gtest.h>

#include "tests/unit/soft-gpu/exec/test_device.h"

namespace farlane::soft {
namespace {

uint64_t Size() {
  return 1_MiB;
}

TEST(DeviceHeap, GivesNothingBeforeItIsOpen) {
  DeviceHeap heap(TestDevice::Instance(), Size);

  EXPECT_EQ(heap.Allocate(16), 0u);
  EXPECT_FALSE(heap.Free(16));
}

TEST(DeviceHeap, GivesAllItHasAndJoinsWhatComesBack) {
  DeviceHeap heap(TestDevice::Instance(), Size);
  ASSERT_TRUE(heap.Open().ok());
  std::set<uint64_t> blocks;

  for (uint64_t address = heap.Allocate(1000); address != 0; address = heap.Allocate(1000)) {
    EXPECT_EQ(address % kHeapAlignBytes, 0u);
    EXPECT_TRUE(blocks.insert(address).second);
  }

  EXPECT_EQ(blocks.size(), Size() / 1008);
  for (const uint64_t block : blocks) {
    EXPECT_TRUE(heap.Free(block));
  }
  EXPECT_NE(heap.Allocate(Size()), 0u);
}

TEST(DeviceHeap, FreesOnlyWhatItGaveAndOnce) {
  DeviceHeap heap(TestDevice::Instance(), Size);
  ASSERT_TRUE(heap.Open().ok());
  const uint64_t block = heap.Allocate(64);
  ASSERT_NE(block, 0u);

  EXPECT_FALSE(heap.Free(block + 16));
  EXPECT_TRUE(heap.Free(block));
  EXPECT_FALSE(heap.Free(block));
  EXPECT_EQ(heap.Allocate(~uint64_t{0}), 0u);
  EXPECT_EQ(heap.Allocate(~uint64_t{0} - 64), 0u);
}

constexpr const char* kKernels = R"(.version 8.0
.target sm_80
.address_size 64
.extern .func (.param .b64 r) malloc(.param .b64 a);
.extern .func free(.param .b64 a);
.visible .entry take(.param .u64 out, .param .u64 bytes)
{
  .reg .b64 %d<4>;
  .reg .b32 %t;
  .reg .pred %p;
  ld.param.u64 %d0, [out];
  ld.param.u64 %d1, [bytes];
  mov.u32 %t, %tid.x;
  {
    .param .b64 a;
    .param .b64 r;
    st.param.b64 [a], %d1;
    call (r), malloc, (a);
    ld.param.b64 %d2, [r];
  }
  mul.wide.u32 %d3, %t, 8;
  add.u64 %d0, %d0, %d3;
  st.global.u64 [%d0], %d2;
  setp.eq.u64 %p, %d2, 0;
  @!%p st.u32 [%d2], %t;
  ret;
}
.visible .entry give(.param .u64 in, .param .u64 out)
{
  .reg .b64 %d<4>;
  .reg .b32 %t;
  ld.param.u64 %d0, [in];
  ld.param.u64 %d1, [out];
  mov.u32 %t, %tid.x;
  mul.wide.u32 %d3, %t, 8;
  add.u64 %d0, %d0, %d3;
  mul.wide.u32 %d3, %t, 4;
  add.u64 %d1, %d1, %d3;
  ld.global.u64 %d2, [%d0];
  ld.u32 %t, [%d2];
  st.global.u32 [%d1], %t;
  {
    .param .b64 a;
    st.param.b64 [a], %d2;
    call free, (a);
  }
  ret;
}
)";

TEST(DeviceHeap, OneKernelTakesWhatAnotherReadsAndGivesBack) {
  TestDevice& device = TestDevice::Instance();
  DeviceHeap heap(device, Size);
  std::unique_ptr<Program> program = LoadOrFail(kKernels);
  ASSERT_NE(program, nullptr);
  auto* const blocks = device.New<uint64_t>(64);
  auto* const read = device.New<uint32_t>(64);
  const LaunchShape shape{.block = {64, 1, 1}, .heap = &heap};

  for (int round = 0; round < 100; ++round) {  // far more than the heap holds, were nothing given
    ASSERT_EQ(program->Launch(0, shape, Parameters().Add(blocks).Add(uint64_t{8192}).bytes()).fault,
              Fault::kNone);
    ASSERT_EQ(program->Launch(1, shape, Parameters().Add(blocks).Add(read).bytes()).fault,
              Fault::kNone);
  }

  EXPECT_EQ(std::set<uint64_t>(blocks, blocks + 64).size(), 64u);
  for (uint32_t i = 0; i < 64; ++i) {
    EXPECT_EQ(read[i], i);
  }
}

TEST(DeviceHeap, MallocFindsNothingWhereThereIsNoRoom) {
  TestDevice& device = TestDevice::Instance();
  DeviceHeap heap(device, Size);
  std::unique_ptr<Program> program = LoadOrFail(kKernels);
  ASSERT_NE(program, nullptr);
  auto* const block = device.New<uint64_t>(1);
  *block = 1;

  EXPECT_EQ(program->Launch(0, {.heap = &heap}, Parameters().Add(block).Add(2_MiB).bytes()).fault,
            Fault::kNone);
  EXPECT_EQ(*block, 0u);
  EXPECT_EQ(program->Launch(0, {}, Parameters().Add(block).Add(uint64_t{8}).bytes()).fault,
            Fault::kNone);
  EXPECT_EQ(*block, 0u);
}

TEST(DeviceHeap, FreeingWhatWasNotTakenIsAFault) {
  TestDevice& device = TestDevice::Instance();
  DeviceHeap heap(device, Size);
  std::unique_ptr<Program> program = LoadOrFail(kKernels);
  ASSERT_NE(program, nullptr);
  auto* const blocks = device.New<uint64_t>(1);
  auto* const read = device.New<uint32_t>(1);
  *blocks = reinterpret_cast<uint64_t>(read);

  EXPECT_EQ(program->Launch(1, {.heap = &heap}, Parameters().Add(blocks).Add(read).bytes()).fault,
            Fault::kIllegalAddress);
}

}  // namespace
}  // namespace farlane::soft
