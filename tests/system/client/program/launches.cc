// SPDX-License-Identifier: Apache-2.0
// Launches that no device of this kind executes; each is refused at the call, and the next right
// one works.
#include <cstring>

#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

struct Dimensions {
  unsigned x = 1;
  unsigned y = 1;
  unsigned z = 1;
};

CUresult Launch(CUfunction function, Dimensions grid, Dimensions block, unsigned shared_bytes = 0) {
  return Cuda().cuLaunchKernel(function, grid.x, grid.y, grid.z, block.x, block.y, block.z,
                               shared_bytes, nullptr, nullptr, nullptr);
}

unsigned Attribute(CUdevice_attribute attribute) {
  int value = 0;
  EXPECT_OK(Cuda().cuDeviceGetAttribute(&value, attribute, 0));
  return static_cast<unsigned>(value);
}

// One thread more than its kernel says it can have, by .maxntid.
constexpr char kBounded[] = R"(.version 7.0
.target sm_70
.address_size 64
.visible .entry bounded() .maxntid 64, 1, 1
{
  ret;
}
)";

// (address, bytes): by the last of so many bytes of shared memory the word 4321 gets to the
// address.
constexpr char kTile[] = R"(.version 7.0
.target sm_70
.address_size 64
.extern .shared .align 4 .b8 tile[];
.visible .entry last(.param .u64 last_cell, .param .u32 last_bytes)
{
  .reg .b32 %r<6>;
  .reg .b64 %rd<3>;
  ld.param.u64 %rd1, [last_cell];
  ld.param.u32 %r1, [last_bytes];
  mov.u32 %r2, tile;
  add.u32 %r3, %r2, %r1;
  mov.u32 %r4, 4321;
  st.volatile.shared.u32 [%r3+-4], %r4;
  ld.volatile.shared.u32 %r5, [%r3+-4];
  st.global.u32 [%rd1], %r5;
  ret;
}
)";

CUresult LaunchTile(CUfunction function, CUdeviceptr cell, unsigned bytes) {
  void* parameters[] = {&cell, &bytes};
  return Cuda().cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, bytes, nullptr, parameters, nullptr);
}

}  // namespace

// What a block may share, by asking for it first, and no byte more.
void SharedMemory() {
  Begin();
  const unsigned most = Attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
  CUmodule module = nullptr;
  CUfunction last = nullptr;
  CUdeviceptr cell = 0;
  uint32_t found = 0;
  EXPECT_OK(Cuda().cuModuleLoadData(&module, kTile));
  EXPECT_OK(Cuda().cuModuleGetFunction(&last, module, "last"));
  EXPECT_OK(Cuda().cuMemAlloc_v2(&cell, 4));
  EXPECT(LaunchTile(last, cell, most), CUDA_ERROR_INVALID_VALUE);
  constexpr auto kWish = CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
  EXPECT(Cuda().cuFuncSetAttribute(last, kWish, static_cast<int>(most) + 1),
         CUDA_ERROR_INVALID_VALUE);
  EXPECT_OK(Cuda().cuFuncSetAttribute(last, kWish, static_cast<int>(most)));
  EXPECT_OK(LaunchTile(last, cell, most));
  EXPECT(LaunchTile(last, cell, most + 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_OK(Cuda().cuMemcpyDtoH_v2(&found, cell, 4));
  EXPECT(found, 4321);
  int blocks = 0;
  EXPECT_OK(Cuda().cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, last, 32, 40 << 10));
  std::printf("%u %u %u %d\n", most >> 10,
              Attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR) >> 10,
              Attribute(CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK) >> 10, blocks);
}

void ForbiddenShapes() {
  Begin();
  const Kernels kernels = LoadKernels();
  const CUfunction nothing = kernels.nothing;
  EXPECT_OK(Launch(nothing, {}, {}));
  for (const Dimensions none : {Dimensions{0, 1, 1}, Dimensions{1, 0, 1}, Dimensions{1, 1, 0}}) {
    EXPECT(Launch(nothing, none, {}), CUDA_ERROR_INVALID_VALUE);
    EXPECT(Launch(nothing, {}, none), CUDA_ERROR_INVALID_VALUE);
  }
  const unsigned threads = Attribute(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
  EXPECT_OK(Launch(nothing, {}, {threads, 1, 1}));
  EXPECT(Launch(nothing, {}, {threads + 1, 1, 1}), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Launch(nothing, {}, {threads, 2, 1}), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Launch(nothing, {}, {0xffffffff, 0xffffffff, 0xffffffff}), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Launch(nothing, {}, {1, 1, Attribute(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z) + 1}),
         CUDA_ERROR_INVALID_VALUE);
  EXPECT(Launch(nothing, {1, Attribute(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y) + 1, 1}, {}),
         CUDA_ERROR_INVALID_VALUE);
  EXPECT(Launch(nothing, {1, 1, 0xffffffff}, {}), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Launch(nothing, {}, {}, 1u << 30), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Launch(nothing, {}, {}, 0xffffffff), CUDA_ERROR_INVALID_VALUE);
  CUmodule module = nullptr;
  CUfunction bounded = nullptr;
  EXPECT_OK(Cuda().cuModuleLoadData(&module, kBounded));
  EXPECT_OK(Cuda().cuModuleGetFunction(&bounded, module, "bounded"));
  EXPECT_OK(Launch(bounded, {}, {64, 1, 1}));
  EXPECT(Launch(bounded, {}, {65, 1, 1}), CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
  EXPECT_OK(Cuda().cuCtxSynchronize());
  CheckWork(kernels, 3);
}

void WrongParameters() {
  Begin();
  const Kernels kernels = LoadKernels();
  CUdeviceptr cells = 0;
  uint32_t value = 5;
  uint32_t count = 32;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&cells, 128));
  void* good[] = {&cells, &value, &count};
  void* holed[] = {&cells, nullptr, &count};
  unsigned char block[16];
  memcpy(block, &cells, 8);
  memcpy(block + 8, &value, 4);
  memcpy(block + 12, &count, 4);
  size_t size = sizeof block;
  size_t none = 0;
  size_t without_count = 12;
  void* extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, block, CU_LAUNCH_PARAM_BUFFER_SIZE, &size,
                   CU_LAUNCH_PARAM_END};
  void* empty_extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, block, CU_LAUNCH_PARAM_BUFFER_SIZE, &none,
                         CU_LAUNCH_PARAM_END};
  void* short_extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, block, CU_LAUNCH_PARAM_BUFFER_SIZE,
                         &without_count, CU_LAUNCH_PARAM_END};
  void* odd_extra[] = {reinterpret_cast<void*>(0x77), block, CU_LAUNCH_PARAM_END};
  const auto launch = [&](void** parameters, void** more) {
    return Cuda().cuLaunchKernel(kernels.fill, 1, 1, 1, 32, 1, 1, 0, nullptr, parameters, more);
  };
  EXPECT(launch(nullptr, nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT(launch(good, extra), CUDA_ERROR_INVALID_VALUE);
  EXPECT(launch(holed, nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT(launch(nullptr, empty_extra), CUDA_ERROR_INVALID_VALUE);
  EXPECT(launch(nullptr, odd_extra), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuLaunchKernelEx(nullptr, kernels.fill, good, nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT_OK(launch(nullptr, extra));
  EXPECT_OK(launch(good, nullptr));
  uint32_t last = 0;
  EXPECT_OK(Cuda().cuMemcpyDtoH_v2(&last, cells + 31 * 4, 4));
  EXPECT(last, 36);
  // What the buffer does not reach is 0: with no cells to fill, nothing changes.
  block[8] = 77;
  EXPECT_OK(launch(nullptr, short_extra));
  EXPECT_OK(Cuda().cuMemcpyDtoH_v2(&last, cells + 31 * 4, 4));
  EXPECT(last, 36);
  CheckWork(kernels, 9);
}

}  // namespace farlane::cases
