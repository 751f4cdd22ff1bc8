// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/launch_drafts.h"

#include <cstring>

#include <gtest/gtest.h>

namespace farlane::abi {
namespace {

CUfunction Function(uintptr_t number) {
  return reinterpret_cast<CUfunction>(number);
}

struct Launched {
  unsigned int grid[3] = {};
  unsigned int block[3] = {};
  unsigned int shared_bytes = 0;
  std::vector<unsigned char> arguments;
};

Launched launched;

CUresult Launch(CUfunction,
                unsigned int grid_x,
                unsigned int grid_y,
                unsigned int grid_z,
                unsigned int block_x,
                unsigned int block_y,
                unsigned int block_z,
                unsigned int shared_bytes,
                CUstream,
                void** parameters,
                void** extra) {
  launched = {{grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared_bytes, {}};
  EXPECT_EQ(parameters, nullptr);
  if (extra != nullptr) {
    EXPECT_EQ(extra[0], CU_LAUNCH_PARAM_BUFFER_POINTER);
    EXPECT_EQ(extra[2], CU_LAUNCH_PARAM_BUFFER_SIZE);
    const auto* bytes = static_cast<const unsigned char*>(extra[1]);
    launched.arguments.assign(bytes, bytes + *static_cast<const size_t*>(extra[3]));
  }
  return CUDA_SUCCESS;
}

TEST(LaunchDrafts, GathersWhatWasSetAndKeepsItForTheNext) {
  LaunchDrafts drafts;
  const uint32_t value = 0x01020304;
  ASSERT_EQ(drafts.SetBlock(Function(1), 32, 2, 1), CUDA_SUCCESS);
  ASSERT_EQ(drafts.SetShared(Function(1), 128), CUDA_SUCCESS);
  ASSERT_EQ(drafts.SetArgument(Function(1), 4, &value, sizeof value), CUDA_SUCCESS);
  ASSERT_EQ(drafts.SetArgumentBytes(Function(1), 12), CUDA_SUCCESS);
  for (int round = 0; round < 2; ++round) {
    ASSERT_EQ(drafts.Launch(Function(1), 7, 3, nullptr, &Launch), CUDA_SUCCESS);
    EXPECT_EQ(launched.grid[0], 7u);
    EXPECT_EQ(launched.grid[1], 3u);
    EXPECT_EQ(launched.block[0], 32u);
    EXPECT_EQ(launched.shared_bytes, 128u);
    EXPECT_EQ(launched.arguments, (std::vector<unsigned char>{0, 0, 0, 0, 4, 3, 2, 1, 0, 0, 0, 0}));
  }
}

TEST(LaunchDrafts, FunctionsKnowNothingOfEachOther) {
  LaunchDrafts drafts;
  ASSERT_EQ(drafts.SetBlock(Function(1), 32, 1, 1), CUDA_SUCCESS);
  ASSERT_EQ(drafts.Launch(Function(2), 1, 1, nullptr, &Launch), CUDA_SUCCESS);
  EXPECT_EQ(launched.block[0], 1u);
  EXPECT_TRUE(launched.arguments.empty());
}

TEST(LaunchDrafts, RefusesWhatNoLaunchCanHave) {
  LaunchDrafts drafts;
  const char byte = 0;
  EXPECT_EQ(drafts.SetBlock(Function(1), 1, 0, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(drafts.SetArgument(Function(1), -1, &byte, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(drafts.SetArgument(Function(1), 4096, &byte, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(drafts.SetArgument(Function(1), 0, nullptr, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(drafts.SetArgument(Function(1), 0, &byte, UINT32_MAX), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(drafts.SetArgumentBytes(Function(1), 5000), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(drafts.Launch(Function(1), 0, 1, nullptr, &Launch), CUDA_ERROR_INVALID_VALUE);
}

}  // namespace
}  // namespace farlane::abi
