// SPDX-License-Identifier: Apache-2.0
// A client that does what it is told on standard input, a line each, and answers with a line each:
// for tests of several clients at once. While it waits for a line it makes no call at all.
#include <cstdio>
#include <cstring>
#include <string>

#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

constexpr size_t kMebibyte = 1 << 20;

void Allocate(size_t mebibytes, std::vector<CUdeviceptr>* held) {
  CUdeviceptr address = 0;
  const CUresult result = Cuda().cuMemAlloc_v2(&address, mebibytes * kMebibyte);
  if (result == CUDA_SUCCESS) {
    held->push_back(address);
  }
  std::printf("%d\n", result);
}

void FreeAll(std::vector<CUdeviceptr>* held) {
  CUresult result = CUDA_SUCCESS;
  for (const CUdeviceptr address : *held) {
    const CUresult one = Cuda().cuMemFree_v2(address);
    result = one == CUDA_SUCCESS ? result : one;
  }
  held->clear();
  std::printf("%d\n", result);
}

// A module with a variable of that size.
CUmodule Load(size_t mebibytes) {
  const std::string ptx =
      ".version 7.0\n.target sm_70\n.address_size 64\n.visible .global .align 8 .b8 large[" +
      std::to_string(mebibytes * kMebibyte) + "];\n.visible .entry nothing() { ret; }\n";
  CUmodule module = nullptr;
  std::printf("%d\n", Cuda().cuModuleLoadData(&module, ptx.c_str()));
  return module;
}

void PrintInfo() {
  size_t free_bytes = 0;
  size_t total_bytes = 0;
  const CUresult result = Cuda().cuMemGetInfo_v2(&free_bytes, &total_bytes);
  std::printf("%d %zu %zu\n", result, free_bytes / kMebibyte, total_bytes / kMebibyte);
}

}  // namespace

void Commanded() {
  Begin();
  const Kernels kernels = LoadKernels();
  std::vector<CUdeviceptr> held;
  CUmodule module = nullptr;
  std::printf("ready\n");
  std::fflush(stdout);
  char line[64];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    size_t number = 0;
    if (std::sscanf(line, "alloc %zu", &number) == 1) {
      Allocate(number, &held);
    } else if (std::sscanf(line, "load %zu", &number) == 1) {
      module = Load(number);
    } else if (std::strcmp(line, "unload\n") == 0) {
      std::printf("%d\n", Cuda().cuModuleUnload(module));
    } else if (std::strcmp(line, "free\n") == 0) {
      FreeAll(&held);
    } else if (std::strcmp(line, "info\n") == 0) {
      PrintInfo();
    } else if (std::strcmp(line, "synchronize\n") == 0) {
      std::printf("%d\n", Cuda().cuCtxSynchronize());
    } else {
      CheckWork(kernels, 7);
      std::printf("worked\n");
    }
    std::fflush(stdout);
  }
}

}  // namespace farlane::cases
