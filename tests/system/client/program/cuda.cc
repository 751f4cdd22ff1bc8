// SPDX-License-Identifier: Apache-2.0
#include "tests/system/client/program/cuda.h"

#include <atomic>
#include <cstdlib>
#include <mutex>

#include <dlfcn.h>

namespace farlane::cases {
namespace {

constexpr char kPtx[] = R"(.version 7.0
.target sm_70
.address_size 64
.visible .entry fill(.param .u64 fill_cells, .param .u32 fill_value, .param .u32 fill_count)
{
  .reg .pred %p<2>;
  .reg .b32 %r<8>;
  .reg .b64 %rd<5>;
  ld.param.u64 %rd1, [fill_cells];
  ld.param.u32 %r1, [fill_value];
  ld.param.u32 %r2, [fill_count];
  mov.u32 %r3, %ctaid.x;
  mov.u32 %r4, %ntid.x;
  mov.u32 %r5, %tid.x;
  mad.lo.s32 %r6, %r3, %r4, %r5;
  setp.ge.u32 %p1, %r6, %r2;
  @%p1 bra DONE;
  add.s32 %r7, %r1, %r6;
  cvta.to.global.u64 %rd2, %rd1;
  mul.wide.u32 %rd3, %r6, 4;
  add.s64 %rd4, %rd2, %rd3;
  st.global.u32 [%rd4], %r7;
DONE:
  ret;
}
.visible .entry spin(.param .u64 spin_flag)
{
  .reg .pred %p<2>;
  .reg .b32 %r<2>;
  .reg .b64 %rd<3>;
  ld.param.u64 %rd1, [spin_flag];
  cvta.to.global.u64 %rd2, %rd1;
AGAIN:
  ld.volatile.global.u32 %r1, [%rd2];
  setp.eq.s32 %p1, %r1, 0;
  @%p1 bra AGAIN;
  ret;
}
.visible .entry poke(.param .u64 poke_address)
{
  .reg .b32 %r<2>;
  .reg .b64 %rd<3>;
  ld.param.u64 %rd1, [poke_address];
  cvta.to.global.u64 %rd2, %rd1;
  mov.u32 %r1, 1;
  st.global.u32 [%rd2], %r1;
  ret;
}
.visible .entry nothing()
{
  ret;
}
)";

std::atomic<bool> all_right{true};
void* library = nullptr;
server::DriverTable table;
std::once_flag loaded;

void Load() {
  library = dlopen("libcuda.so.1", RTLD_NOW);
  if (library == nullptr) {
    std::printf("%s\n", dlerror());
    std::exit(1);
  }
  server::LoadDriverTable([](void* from, const char* symbol) { return dlsym(from, symbol); },
                          library, table);
}

}  // namespace

const server::DriverTable& Cuda() {
  std::call_once(loaded, Load);
  return table;
}

void* Library() {
  Cuda();
  return library;
}

void Reopen() {
  Load();
}

// On stdout: what is on stderr is the library's alone.
void Complain(const char* file, int line, const char* text, long long got, long long wanted) {
  all_right = false;
  std::printf("%s:%d: %s is %lld, not %lld\n", file, line, text, got, wanted);
  std::fflush(stdout);
}

bool AllRight() {
  return all_right;
}

void Begin() {
  CUdevice device = 0;
  CUcontext context = nullptr;
  EXPECT_OK(Cuda().cuInit(0));
  EXPECT_OK(Cuda().cuDeviceGet(&device, 0));
  EXPECT_OK(Cuda().cuDevicePrimaryCtxRetain(&context, device));
  EXPECT_OK(Cuda().cuCtxSetCurrent(context));
  if (!AllRight()) {
    std::exit(1);
  }
}

Kernels LoadKernels() {
  Kernels kernels;
  EXPECT_OK(Cuda().cuModuleLoadData(&kernels.module, kPtx));
  EXPECT_OK(Cuda().cuModuleGetFunction(&kernels.fill, kernels.module, "fill"));
  EXPECT_OK(Cuda().cuModuleGetFunction(&kernels.spin, kernels.module, "spin"));
  EXPECT_OK(Cuda().cuModuleGetFunction(&kernels.poke, kernels.module, "poke"));
  EXPECT_OK(Cuda().cuModuleGetFunction(&kernels.nothing, kernels.module, "nothing"));
  if (!AllRight()) {
    std::exit(1);
  }
  return kernels;
}

CUresult Fill(
    const Kernels& kernels, CUdeviceptr cells, uint32_t value, uint32_t count, CUstream stream) {
  void* parameters[] = {&cells, &value, &count};
  return Cuda().cuLaunchKernel(kernels.fill, (count + 127) / 128, 1, 1, 128, 1, 1, 0, stream,
                               parameters, nullptr);
}

void CheckWork(const Kernels& kernels, uint32_t value, CUstream stream) {
  constexpr uint32_t kCells = 5000;
  std::vector<uint32_t> cells(kCells, 0);
  CUdeviceptr address = 0;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&address, kCells * sizeof(uint32_t)));
  EXPECT_OK(Cuda().cuMemcpyHtoDAsync_v2(address, cells.data(), kCells * 4, stream));
  EXPECT_OK(Fill(kernels, address, value, kCells, stream));
  EXPECT_OK(Cuda().cuMemcpyDtoHAsync_v2(cells.data(), address, kCells * 4, stream));
  EXPECT_OK(Cuda().cuStreamSynchronize(stream));
  uint32_t wrong = 0;
  for (uint32_t i = 0; i < kCells; ++i) {
    wrong += cells[i] == value + i ? 0 : 1;
  }
  EXPECT(wrong, 0);
  EXPECT_OK(Cuda().cuMemFree_v2(address));
}

}  // namespace farlane::cases
