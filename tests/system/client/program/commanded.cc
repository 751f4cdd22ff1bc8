// SPDX-License-Identifier: Apache-2.0
// A client that does what it is told on standard input, a line each, and answers with a line each:
// for tests of several clients at once. While it waits for a line it makes no call at all.
#include <algorithm>
#include <chrono>
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

// How many devices there are, and which.
void PrintDevices() {
  int count = 0;
  EXPECT_OK(Cuda().cuDeviceGetCount(&count));
  std::printf("%d", count);
  for (int i = 0; i < count; ++i) {
    char bus[32] = {};
    EXPECT_OK(Cuda().cuDeviceGetPCIBusId(bus, sizeof bus, i));
    std::printf(" %s", bus);
  }
  std::printf("\n");
}

// Of each device its UUID, in hexadecimal digits, and its name.
void PrintNames() {
  int count = 0;
  EXPECT_OK(Cuda().cuDeviceGetCount(&count));
  for (int i = 0; i < count; ++i) {
    char name[128] = {};
    CUuuid uuid{};
    EXPECT_OK(Cuda().cuDeviceGetName(name, sizeof name, i));
    EXPECT_OK(Cuda().cuDeviceGetUuid_v2(&uuid, i));
    for (const char byte : uuid.bytes) {
      std::printf("%02x", static_cast<unsigned char>(byte));
    }
    std::printf(" %s;", name);
  }
  std::printf("\n");
}

// What Soil leaves behind.
constexpr uint8_t kSecret = 0x5e;

// Memory as it is given: how many of its bytes are not zero, and how many a secret.
void CountDirty(size_t mebibytes, std::vector<CUdeviceptr>* held) {
  CUdeviceptr address = 0;
  const CUresult result = Cuda().cuMemAlloc_v2(&address, mebibytes * kMebibyte);
  size_t dirty = 0;
  size_t secrets = 0;
  if (result == CUDA_SUCCESS) {
    held->push_back(address);
    std::vector<uint8_t> bytes(mebibytes * kMebibyte);
    EXPECT_OK(Cuda().cuMemcpyDtoH_v2(bytes.data(), address, bytes.size()));
    dirty = bytes.size() - static_cast<size_t>(std::count(bytes.begin(), bytes.end(), 0));
    secrets = static_cast<size_t>(std::count(bytes.begin(), bytes.end(), kSecret));
  }
  std::printf("%d %zu %zu\n", result, dirty, secrets);
}

// A secret in all that is held.
void Soil(size_t mebibytes, std::vector<CUdeviceptr>* held) {
  CUdeviceptr address = 0;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&address, mebibytes * kMebibyte));
  held->push_back(address);
  EXPECT_OK(Cuda().cuMemsetD8_v2(address, kSecret, mebibytes * kMebibyte));
  std::printf("%d\n", Cuda().cuCtxSynchronize());
}

// How long work took, as events tell it.
void PrintElapsed(const Kernels& kernels) {
  CUevent ends[2] = {};
  for (CUevent& end : ends) {
    EXPECT_OK(Cuda().cuEventCreate(&end, CU_EVENT_DEFAULT));
    EXPECT_OK(Cuda().cuEventRecord(end, nullptr));
    CheckWork(kernels, 7);
  }
  float milliseconds = 0;
  EXPECT_OK(Cuda().cuEventElapsedTime(&milliseconds, ends[0], ends[1]));
  std::printf("%.6f\n", static_cast<double>(milliseconds));
}

// The shortest of so many calls that wait for an answer, in microseconds, and all together.
void TimeCalls(size_t count) {
  using Clock = std::chrono::steady_clock;
  double shortest = 1e9;
  double all = 0;
  for (size_t i = 0; i < count; ++i) {
    size_t free_bytes = 0;
    size_t total_bytes = 0;
    const auto start = Clock::now();
    EXPECT_OK(Cuda().cuMemGetInfo_v2(&free_bytes, &total_bytes));
    const double took = std::chrono::duration<double, std::micro>(Clock::now() - start).count();
    shortest = std::min(shortest, took);
    all += took;
  }
  std::printf("%.1f %.1f\n", shortest, all);
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
    } else if (std::sscanf(line, "dirty %zu", &number) == 1) {
      CountDirty(number, &held);
    } else if (std::sscanf(line, "soil %zu", &number) == 1) {
      Soil(number, &held);
    } else if (std::sscanf(line, "calls %zu", &number) == 1) {
      TimeCalls(number);
    } else if (std::strcmp(line, "elapsed\n") == 0) {
      PrintElapsed(kernels);
    } else if (std::strcmp(line, "devices\n") == 0) {
      PrintDevices();
    } else if (std::strcmp(line, "names\n") == 0) {
      PrintNames();
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
