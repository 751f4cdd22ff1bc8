// SPDX-License-Identifier: Apache-2.0
// Relocatable device code of two files, in both ways to link it: by the compiler (what this file
// declares is in device_link_part.cu), and by the driver at run time, from PTX and into a module.
#include <cuda.h>

#include "tests/apps/cuda_call.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kCells = 1000;

extern __constant__ unsigned part_factor;
extern __device__ unsigned part_calls;
extern __device__ unsigned PartStep(unsigned value);

static __device__ unsigned own = 3;  // the other file has one of this name, with another value

__global__ void Compiled(unsigned* cells) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < kCells) {
    cells[i] = PartStep(cells[i]) * part_factor + own + (apps::kMutate && i == 5 ? 1 : 0);
  }
}

namespace {

using Cells = std::vector<unsigned>;

constexpr unsigned kFactor = 2654435761u;  // as in the other file

void CheckCompiled(apps::Verdict& verdict, const Cells& cells) {
  unsigned* device = apps::DeviceCopy(cells);
  Compiled<<<(kCells + 255) / 256, 256>>>(device);
  CUDA_CALL(cudaGetLastError());
  Cells wanted = cells;
  for (unsigned& cell : wanted) {
    cell = (cell + 4) * kFactor + 3;
  }
  verdict.ExpectEqual(apps::HostCopy(device, kCells), wanted, "cells of the compiler's linker");
  unsigned calls = 0;
  CUDA_CALL(cudaMemcpyFromSymbol(&calls, part_calls, sizeof calls));
  verdict.ExpectCode(static_cast<int>(calls), static_cast<int>(kCells), "the other file's counter");
  CUDA_CALL(cudaFree(device));
}

constexpr char kKernel[] = R"(.version 7.0
.target sm_52
.address_size 64
.extern .global .align 4 .u32 bias;
.extern .func (.param .b32 result) step (.param .b32 value);
.global .align 4 .u32 mine = 10;
.visible .entry linked(.param .u64 cells, .param .u32 count)
{
  .reg .pred %p<2>;
  .reg .b32 %r<10>;
  .reg .b64 %rd<5>;
  ld.param.u64 %rd1, [cells];
  ld.param.u32 %r1, [count];
  mov.u32 %r2, %ctaid.x;
  mov.u32 %r3, %ntid.x;
  mov.u32 %r4, %tid.x;
  mad.lo.s32 %r5, %r2, %r3, %r4;
  setp.ge.u32 %p1, %r5, %r1;
  @%p1 ret;
  cvta.to.global.u64 %rd2, %rd1;
  mul.wide.u32 %rd3, %r5, 4;
  add.s64 %rd4, %rd2, %rd3;
  ld.global.u32 %r6, [%rd4];
  {
    .param .b32 argument;
    .param .b32 returned;
    st.param.b32 [argument], %r6;
    call.uni (returned), step, (argument);
    ld.param.b32 %r7, [returned];
  }
  ld.global.u32 %r8, [bias];
  add.s32 %r7, %r7, %r8;
  ld.global.u32 %r9, [mine];
  add.s32 %r7, %r7, %r9;
  st.global.u32 [%rd4], %r7;
  ret;
}
)";

constexpr char kLibrary[] = R"(.version 7.0
.target sm_52
.address_size 64
.visible .global .align 4 .u32 bias = 1000;
.global .align 4 .u32 mine = 7;
.visible .func (.param .b32 result) step (.param .b32 value)
{
  .reg .b32 %r<4>;
  ld.param.b32 %r1, [value];
  ld.global.u32 %r2, [mine];
  mul.lo.s32 %r3, %r1, %r2;
  st.param.b32 [result], %r3;
  ret;
}
)";

CUresult Add(CUlinkState state, const char* ptx, size_t bytes, const char* name) {
  return cuLinkAddData(state, CU_JIT_INPUT_PTX, const_cast<char*>(ptx), bytes, name, 0, nullptr,
                       nullptr);
}

void CheckLinked(apps::Verdict& verdict, const Cells& cells) {
  char log[4096] = "";
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void* values[] = {log, reinterpret_cast<void*>(sizeof log)};
  CUlinkState state = nullptr;
  verdict.ExpectCode(cuLinkCreate(2, options, values, &state), CUDA_SUCCESS, "cuLinkCreate");
  verdict.ExpectCode(Add(state, kKernel, sizeof kKernel, "kernel"), CUDA_SUCCESS, "the kernel");
  verdict.ExpectCode(Add(state, kLibrary, sizeof kLibrary, "library"), CUDA_SUCCESS, "the library");
  void* image = nullptr;
  size_t bytes = 0;
  verdict.ExpectCode(cuLinkComplete(state, &image, &bytes), CUDA_SUCCESS, "cuLinkComplete");
  verdict.Expect(image != nullptr && bytes > 0, "a linked image");
  CUmodule module = nullptr;
  verdict.ExpectCode(cuModuleLoadData(&module, image), CUDA_SUCCESS, "loading what was linked");
  verdict.ExpectCode(cuLinkDestroy(state), CUDA_SUCCESS, "cuLinkDestroy");
  if (!verdict.gentle()) {
    verdict.ExpectCode(cuLinkDestroy(state), CUDA_ERROR_INVALID_HANDLE, "destroying it twice");
  }

  CUfunction kernel = nullptr;
  verdict.ExpectCode(cuModuleGetFunction(&kernel, module, "linked"), CUDA_SUCCESS, "its kernel");
  unsigned* device = apps::DeviceCopy(cells);
  unsigned count = kCells;
  void* parameters[] = {&device, &count};
  verdict.ExpectCode(cuLaunchKernel(kernel, (kCells + 255) / 256, 1, 1, 256, 1, 1, 0, nullptr,
                                    parameters, nullptr),
                     CUDA_SUCCESS, "the launch");
  Cells wanted = cells;
  for (unsigned& cell : wanted) {
    cell = cell * 7 + 1000 + 10;
  }
  verdict.ExpectEqual(apps::HostCopy(device, kCells), wanted, "cells of the driver's linker");
  CUDA_CALL(cudaFree(device));
  verdict.ExpectCode(cuModuleUnload(module), CUDA_SUCCESS, "unloading it");
}

// What cannot be linked is refused, and the log names the symbol. Which code a driver gives
// differs.
void CheckRefusal(apps::Verdict& verdict, const char* second, size_t bytes, const char* symbol) {
  char log[4096] = "";
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void* values[] = {log, reinterpret_cast<void*>(sizeof log)};
  CUlinkState state = nullptr;
  verdict.ExpectCode(cuLinkCreate(2, options, values, &state), CUDA_SUCCESS, "cuLinkCreate");
  verdict.ExpectCode(Add(state, kLibrary, sizeof kLibrary, "first"), CUDA_SUCCESS, "the first");
  // A driver may compile what it is given at once, or only where it links.
  CUresult refused = Add(state, second, bytes, "second");
  if (refused == CUDA_SUCCESS) {
    void* image = nullptr;
    size_t linked_bytes = 0;
    refused = cuLinkComplete(state, &image, &linked_bytes);
  }
  verdict.Expect(refused != CUDA_SUCCESS, std::string("a refusal because of ") + symbol);
  verdict.Expect(std::strstr(log, symbol) != nullptr, std::string("a log that names ") + symbol);
  verdict.ExpectCode(cuLinkDestroy(state), CUDA_SUCCESS, "cuLinkDestroy");
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("device_link", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CheckCompiled(verdict, random.Integers<unsigned>(kCells));
  CheckLinked(verdict, random.Integers<unsigned>(kCells));
  CheckRefusal(verdict, kLibrary, sizeof kLibrary, "bias");
  constexpr char kAlone[] =
      ".version 7.0\n.target sm_52\n.address_size 64\n.extern .global .align 4 .u32 nowhere;\n"
      ".visible .entry alone() { .reg .b32 %r<2>; ld.global.u32 %r1, [nowhere]; ret; }\n";
  CheckRefusal(verdict, kAlone, sizeof kAlone, "nowhere");
  return verdict.Finish();
}
