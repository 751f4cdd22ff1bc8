// SPDX-License-Identifier: Apache-2.0
// A kernel without an end goes with its context, and only with that.
#include <gtest/gtest.h>

#include "tests/unit/soft-gpu/api/soft_program.h"

namespace farlane::soft {
namespace {

constexpr char kPtx[] = R"(
.version 8.0
.target sm_80
.address_size 64

.visible .entry endless(.param .u64 at)
{
  .reg .pred %p<2>;
  .reg .b32 %r<2>;
  .reg .b64 %rd<2>;
  ld.param.u64 %rd1, [at];
AGAIN:
  ld.volatile.global.u32 %r1, [%rd1];
  setp.eq.u32 %p1, %r1, 0;
  @%p1 bra AGAIN;
  ret;
}

.visible .entry add_one(.param .u64 at)
{
  .reg .b32 %r<2>;
  .reg .b64 %rd<2>;
  ld.param.u64 %rd1, [at];
  atom.global.add.u32 %r1, [%rd1], 1;
  ret;
}
)";

class Endless : public SoftProgram {
 protected:
  // Starts a kernel on a word of memory of its own in the current context.
  static CUdeviceptr Start(const char* name) {
    CUmodule module = nullptr;
    CUfunction function = nullptr;
    CUdeviceptr word = 0;
    EXPECT_EQ(cuModuleLoadData(&module, kPtx), CUDA_SUCCESS);
    EXPECT_EQ(cuModuleGetFunction(&function, module, name), CUDA_SUCCESS);
    EXPECT_EQ(cuMemAlloc_v2(&word, 4), CUDA_SUCCESS);
    EXPECT_EQ(cuMemsetD32_v2(word, 0, 1, nullptr), CUDA_SUCCESS);
    void* parameters[] = {&word};
    EXPECT_EQ(cuLaunchKernel(function, 2, 1, 1, 32, 1, 1, 0, nullptr, parameters, nullptr),
              CUDA_SUCCESS);
    return word;
  }

  static uint32_t Read(CUdeviceptr word) {
    uint32_t value = 0;
    EXPECT_EQ(cuMemcpyDtoH_v2(&value, word, 4, nullptr), CUDA_SUCCESS);
    return value;
  }
};

TEST_F(Endless, DestroyingTheContextEndsIt) {
  CUcontext doomed = nullptr;
  ASSERT_EQ(cuCtxCreate_v2(&doomed, 0, 0), CUDA_SUCCESS);
  Start("endless");
  Start("add_one");  // behind it: never runs

  EXPECT_EQ(cuCtxDestroy_v2(doomed), CUDA_SUCCESS);

  EXPECT_EQ(Read(Start("add_one")), 64u);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
}

TEST_F(Endless, ResettingThePrimaryContextEndsItAndTheNextLifeIsFine) {
  CUcontext primary = nullptr;
  ASSERT_EQ(cuDevicePrimaryCtxRetain(&primary, 1), CUDA_SUCCESS);
  ASSERT_EQ(cuCtxPushCurrent_v2(primary), CUDA_SUCCESS);
  Start("endless");

  EXPECT_EQ(cuDevicePrimaryCtxReset_v2(1), CUDA_SUCCESS);

  ASSERT_EQ(cuDevicePrimaryCtxRetain(&primary, 1), CUDA_SUCCESS);
  EXPECT_EQ(Read(Start("add_one")), 64u);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  EXPECT_EQ(cuCtxPopCurrent_v2(&primary), CUDA_SUCCESS);
  EXPECT_EQ(cuDevicePrimaryCtxRelease_v2(1), CUDA_SUCCESS);
}

}  // namespace
}  // namespace farlane::soft
