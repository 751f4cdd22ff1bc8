// SPDX-License-Identifier: Apache-2.0
#include "tests/system/client/program/mix.h"

#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

constexpr char kPtx[] = R"(.version 7.0
.target sm_70
.address_size 64
.visible .entry mix(.param .u64 cells, .param .u32 key) {
  .reg .b32 %r<6>;
  .reg .b64 %rd<4>;
  ld.param.u64 %rd0, [cells];
  ld.param.u32 %r0, [key];
  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %ntid.x;
  mov.u32 %r3, %tid.x;
  mad.lo.s32 %r1, %r1, %r2, %r3;
  cvta.to.global.u64 %rd1, %rd0;
  mul.wide.u32 %rd2, %r1, 4;
  add.s64 %rd3, %rd1, %rd2;
  ld.global.u32 %r4, [%rd3];
  mul.lo.u32 %r4, %r4, 1664525;
  xor.b32 %r4, %r4, %r0;
  add.u32 %r4, %r4, %r1;
  st.global.u32 [%rd3], %r4;
  ret;
})";

}  // namespace

CUresult LoadMix(CUfunction* kernel) {
  CUmodule module = nullptr;
  const CUresult result = Cuda().cuModuleLoadData(&module, kPtx);
  return result == CUDA_SUCCESS ? Cuda().cuModuleGetFunction(kernel, module, "mix") : result;
}

}  // namespace farlane::cases
