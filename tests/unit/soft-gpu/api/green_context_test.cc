// SPDX-License-Identifier: Apache-2.0
// Parts of a device: how it is divided, and what is a part's own.
#include <utility>

#include "soft-gpu/device/processor_set.h"
#include "tests/unit/soft-gpu/api/soft_program.h"

namespace farlane::soft {
namespace {

Device DeviceWith(uint32_t processors, int cc_major) {
  Config config;
  config.processors = processors;
  config.cc_major = cc_major;
  return Device(config, 0);
}

// The sizes of the groups, and of the rest.
std::vector<uint32_t> Sizes(const Device& device,
                            uint32_t groups,
                            unsigned int flags,
                            uint32_t minimum) {
  ProcessorSplit split;
  EXPECT_EQ(ProcessorSplit::Make(ProcessorSet(device), device, groups, flags, minimum, &split),
            CUDA_SUCCESS);
  std::vector<uint32_t> sizes;
  for (const ProcessorSet& group : split.groups) {
    sizes.push_back(group.count());
  }
  sizes.push_back(split.rest.count());
  return sizes;
}

using Counts = std::vector<uint32_t>;

TEST(ProcessorSplit, GroupsAreAsLargeAndAsAlignedAsTheComputeCapabilitySays) {
  EXPECT_EQ(Sizes(DeviceWith(36, 12), 9, 0, 0), (Counts{8, 8, 8, 8, 4}));
  EXPECT_EQ(Sizes(DeviceWith(36, 9), 2, 0, 9), (Counts{16, 16, 4}));
  EXPECT_EQ(Sizes(DeviceWith(13, 8), 9, 0, 5), (Counts{6, 6, 1}));
  EXPECT_EQ(Sizes(DeviceWith(13, 8), 1, 0, 1), (Counts{4, 9}));
  EXPECT_EQ(Sizes(DeviceWith(5, 7), 9, 0, 0), (Counts{2, 2, 1}));
  EXPECT_EQ(Sizes(DeviceWith(3, 6), 9, 0, 1), (Counts{1, 1, 1, 0}));
  EXPECT_EQ(Sizes(DeviceWith(7, 12), 9, CU_DEV_SM_RESOURCE_SPLIT_IGNORE_SM_COSCHEDULING, 3),
            (Counts{4, 3}));
}

TEST(ProcessorSplit, GroupsAndRestAreDisjointAndComplete) {
  const Device device = DeviceWith(200, 12);
  ProcessorSplit split;
  ASSERT_EQ(ProcessorSplit::Make(ProcessorSet(device), device, 5, 0, 24, &split), CUDA_SUCCESS);
  EXPECT_EQ(split.possible, 8u);
  ProcessorSet all = split.rest;
  for (const ProcessorSet& group : split.groups) {
    const uint32_t before = all.count();
    all.Add(group);
    EXPECT_EQ(all.count(), before + 24);
  }
  EXPECT_EQ(all.count(), 200u);
}

TEST(ProcessorSplit, WhatCannotBeDividedIsRefused) {
  const Device small = DeviceWith(2, 12);
  ProcessorSplit split;
  EXPECT_EQ(ProcessorSplit::Make(ProcessorSet(small), small, 1, 0, 1, &split),
            CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION);
  EXPECT_EQ(ProcessorSplit::Make(ProcessorSet(small), small, 1, 0, 3, &split),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(ProcessorSplit::Make(ProcessorSet(small), small, 1, 4, 1, &split),
            CUDA_ERROR_INVALID_VALUE);
}

TEST(ProcessorSplit, WhatAProgramHoldsIsProvedWhenItComesBack) {
  const std::vector<Device> devices = {DeviceWith(20, 12)};
  CUdevResource resource;
  ProcessorSet set;
  ProcessorSet(devices[0]).Write(devices[0], &resource);
  EXPECT_EQ(ProcessorSet::Read(resource, devices, &set), CUDA_SUCCESS);
  EXPECT_EQ(set.count(), 20u);
  for (size_t i = 0; i < 8 + 8 + 64 + 4; ++i) {
    CUdevResource changed = resource;
    changed._internal_padding[i] ^= 0x80;
    const bool is_split = i >= 8 && i < 16;   // any number is one
    const bool is_fewer = i >= 16 && i < 19;  // a processor less, which there is
    EXPECT_EQ(ProcessorSet::Read(changed, devices, &set) == CUDA_SUCCESS,
              is_split || (is_fewer && (resource._internal_padding[i] & 0x80) != 0))
        << i;
  }
  resource.type = CU_DEV_RESOURCE_TYPE_INVALID;
  EXPECT_EQ(ProcessorSet::Read(resource, devices, &set), CUDA_ERROR_INVALID_RESOURCE_TYPE);
}

class GreenContexts : public SoftProgram {
 protected:
  void SetUp() override {
    SoftProgram::SetUp();
    ASSERT_EQ(cuDeviceGetDevResource(0, &all_, CU_DEV_RESOURCE_TYPE_SM), CUDA_SUCCESS);
    CUdevResourceDesc description = nullptr;
    ASSERT_EQ(cuDevResourceGenerateDesc(&description, &all_, 1), CUDA_SUCCESS);
    ASSERT_EQ(cuGreenCtxCreate(&green_, description, 0, CU_GREEN_CTX_DEFAULT_STREAM), CUDA_SUCCESS);
    ASSERT_EQ(cuCtxFromGreenCtx(&part_, green_), CUDA_SUCCESS);
    ASSERT_EQ(cuDevicePrimaryCtxRetain(&primary_, 0), CUDA_SUCCESS);
  }

  void TearDown() override {
    if (green_ != nullptr) {
      EXPECT_EQ(cuGreenCtxDestroy(green_), CUDA_SUCCESS);
    }
    EXPECT_EQ(cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
    SoftProgram::TearDown();
  }

  CUdevResource all_;
  CUgreenCtx green_ = nullptr;
  CUcontext part_ = nullptr;
  CUcontext primary_ = nullptr;
};

TEST_F(GreenContexts, WhatIsMadeInOneBelongsToThePrimaryContext) {
  ASSERT_EQ(cuCtxPushCurrent_v2(part_), CUDA_SUCCESS);
  const CUdeviceptr memory = Allocate(64);
  CUcontext owner = nullptr;
  EXPECT_EQ(cuPointerGetAttribute(&owner, CU_POINTER_ATTRIBUTE_CONTEXT, memory), CUDA_SUCCESS);
  EXPECT_EQ(owner, primary_);
  CUevent event = nullptr;
  CUstream stream = nullptr;
  ASSERT_EQ(cuEventCreate(&event, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  EXPECT_EQ(cuEventRecord(event, stream), CUDA_SUCCESS);
  ASSERT_EQ(cuCtxPopCurrent_v2(nullptr), CUDA_SUCCESS);
  ASSERT_EQ(cuGreenCtxDestroy(std::exchange(green_, nullptr)), CUDA_SUCCESS);

  EXPECT_EQ(cuStreamQuery(stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(cuEventQuery(event), CUDA_SUCCESS);
  EXPECT_EQ(cuMemsetD8_v2(memory, 1, 64, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFree_v2(memory), CUDA_SUCCESS);
  EXPECT_EQ(cuEventDestroy_v2(event), CUDA_SUCCESS);
}

TEST_F(GreenContexts, OneHasANumberOfItsOwnAndEndsByItsOwnCall) {
  unsigned long long id = 0;
  EXPECT_EQ(cuGreenCtxGetId(green_, &id), CUDA_SUCCESS);
  unsigned long long primary_id = 0;
  EXPECT_EQ(cuCtxGetId(primary_, &primary_id), CUDA_SUCCESS);
  EXPECT_NE(id, primary_id);
  EXPECT_EQ(cuCtxDestroy_v2(part_), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT_EQ(cuGreenCtxDestroy(reinterpret_cast<CUgreenCtx>(primary_)), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT_EQ(cuCtxFromGreenCtx(&part_, reinterpret_cast<CUgreenCtx>(primary_)),
            CUDA_ERROR_INVALID_CONTEXT);
}

TEST_F(GreenContexts, TheEndOfThePrimaryContextIsTheirs) {
  ASSERT_EQ(cuDevicePrimaryCtxReset_v2(0), CUDA_SUCCESS);
  unsigned long long id = 0;
  EXPECT_EQ(cuGreenCtxGetId(std::exchange(green_, nullptr), &id), CUDA_ERROR_INVALID_CONTEXT);
  ASSERT_EQ(cuDevicePrimaryCtxRetain(&primary_, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
}

TEST_F(GreenContexts, NobodyIsServedAnExecutionAffinity) {
  CUexecAffinityParam affinity{};
  EXPECT_EQ(cuCtxGetExecAffinity(&affinity, CU_EXEC_AFFINITY_TYPE_SM_COUNT),
            CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY);
  CUcontext other = nullptr;
  EXPECT_EQ(cuCtxCreate_v3(&other, &affinity, 1, 0, 0), CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY);
}

}  // namespace
}  // namespace farlane::soft
