// SPDX-License-Identifier: Apache-2.0
// SoftProgram is a test that acts as a CUDA program on the software GPU: two devices of 64 MiB and
// 20 processors, the driver started, and a context current.
#pragma once

#include <cstdlib>

#include <gtest/gtest.h>

#include "soft-gpu/bodies.h"

namespace farlane::soft {

// Thread: the test's.
class SoftProgram : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    setenv("FARLANE_SOFT_DEVICES", "2", 1);
    setenv("FARLANE_SOFT_MEMORY", "64Mi", 1);
    setenv("FARLANE_SOFT_PROCESSORS", "20", 1);
    setenv("CUDA_CACHE_DISABLE", "1", 1);  // a test leaves nothing in anybody's folders
    ASSERT_EQ(cuInit(0), CUDA_SUCCESS);
  }

  void SetUp() override { ASSERT_EQ(cuCtxCreate_v2(&context_, 0, 0), CUDA_SUCCESS); }

  void TearDown() override { EXPECT_EQ(cuCtxDestroy_v2(context_), CUDA_SUCCESS); }

  CUdeviceptr Allocate(size_t bytes) {
    CUdeviceptr address = 0;
    EXPECT_EQ(cuMemAlloc_v2(&address, bytes), CUDA_SUCCESS);
    return address;
  }

  CUcontext context_ = nullptr;
};

}  // namespace farlane::soft
