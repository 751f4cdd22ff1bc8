// SPDX-License-Identifier: Apache-2.0
// Registered memory that kernels reach at an address of its own: the same pages at two places, of
// private and of shared memory, which end as they were.
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "tests/unit/soft-gpu/api/soft_program.h"

namespace farlane::soft {
namespace {

constexpr char kPtx[] = R"(
.version 8.0
.target sm_80
.address_size 64

.visible .entry add_one(.param .u64 at)
{
  .reg .b32 %r<3>;
  .reg .b64 %rd<4>;
  ld.param.u64 %rd1, [at];
  mov.u32 %r1, %tid.x;
  mul.wide.u32 %rd2, %r1, 4;
  add.u64 %rd3, %rd1, %rd2;
  atom.global.add.u32 %r2, [%rd3], 1;
  ret;
}
)";

constexpr size_t kWords = 32;
constexpr size_t kPage = 4096;

class RegisteredMemory : public SoftProgram {
 protected:
  static CUresult AddOne(CUdeviceptr at) {
    CUmodule module = nullptr;
    CUfunction function = nullptr;
    EXPECT_EQ(cuModuleLoadData(&module, kPtx), CUDA_SUCCESS);
    EXPECT_EQ(cuModuleGetFunction(&function, module, "add_one"), CUDA_SUCCESS);
    void* parameters[] = {&at};
    EXPECT_EQ(cuLaunchKernel(function, 1, 1, 1, kWords, 1, 1, 0, nullptr, parameters, nullptr),
              CUDA_SUCCESS);
    return cuCtxSynchronize();
  }

  static CUdeviceptr Register(void* memory, size_t bytes) {
    EXPECT_EQ(cuMemHostRegister_v2(memory, bytes, CU_MEMHOSTREGISTER_DEVICEMAP), CUDA_SUCCESS);
    CUdeviceptr device = 0;
    EXPECT_EQ(cuMemHostGetDevicePointer_v2(&device, memory, 0), CUDA_SUCCESS);
    return device;
  }

  static void* Map(size_t bytes, int kind) {
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(memory, MAP_FAILED);
    return memory;
  }
};

TEST_F(RegisteredMemory, IsSeenByBothSidesAtOnceAndKeepsWhatItHolds) {
  // Neither its start nor its end is a page's.
  std::vector<uint32_t> words(3 * kPage / 4 + 100, 7);
  uint32_t* const used = words.data() + 50;
  const CUdeviceptr device = Register(used, 2 * kPage + 12);
  EXPECT_NE(device, reinterpret_cast<CUdeviceptr>(used));
  EXPECT_EQ(device % kPage, reinterpret_cast<CUdeviceptr>(used) % kPage);
  used[3] = 40;
  ASSERT_EQ(AddOne(device), CUDA_SUCCESS);
  EXPECT_EQ(used[3], 41u);
  EXPECT_EQ(used[kWords - 1], 8u);
  EXPECT_EQ(used[kWords], 7u);
  ASSERT_EQ(AddOne(device + 2 * kPage + 12 - kWords * 4), CUDA_SUCCESS);
  EXPECT_EQ(used[(2 * kPage + 12) / 4 - 1], 8u);
  ASSERT_EQ(cuMemHostUnregister(used), CUDA_SUCCESS);
  EXPECT_EQ(words[0], 7u);
  EXPECT_EQ(used[3], 41u);
  used[3] = 1;
  EXPECT_EQ(used[3], 1u);
}

TEST_F(RegisteredMemory, OfSeveralProcessesIsShownOnceMore) {
  auto* words = static_cast<uint32_t*>(Map(2 * kPage, MAP_SHARED));
  const CUdeviceptr device = Register(words, 2 * kPage);
  ASSERT_EQ(AddOne(device + kPage), CUDA_SUCCESS);
  EXPECT_EQ(words[kPage / 4], 1u);
  ASSERT_EQ(cuMemHostUnregister(words), CUDA_SUCCESS);
  munmap(words, 2 * kPage);
}

TEST_F(RegisteredMemory, CannotBeReadOnlyMemory) {
  void* const memory = Map(kPage, MAP_PRIVATE);
  ASSERT_EQ(mprotect(memory, kPage, PROT_READ), 0);
  ASSERT_EQ(cuMemHostRegister_v2(memory, kPage, CU_MEMHOSTREGISTER_READ_ONLY), CUDA_SUCCESS);
  CUdeviceptr device = 0;
  EXPECT_EQ(cuMemHostGetDevicePointer_v2(&device, memory, 0), CUDA_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(cuMemHostUnregister(memory), CUDA_SUCCESS);
  munmap(memory, kPage);
}

TEST_F(RegisteredMemory, IsKnownByBothItsAddresses) {
  auto* words = static_cast<uint32_t*>(Map(kPage, MAP_PRIVATE));
  const CUdeviceptr device = Register(words, kPage);
  const auto host = reinterpret_cast<CUdeviceptr>(words);
  for (const CUdeviceptr asked : {host + 8, device + 8}) {
    CUdeviceptr found = 0;
    void* pointer = nullptr;
    EXPECT_EQ(cuPointerGetAttribute(&found, CU_POINTER_ATTRIBUTE_DEVICE_POINTER, asked),
              CUDA_SUCCESS);
    EXPECT_EQ(cuPointerGetAttribute(&pointer, CU_POINTER_ATTRIBUTE_HOST_POINTER, asked),
              CUDA_SUCCESS);
    EXPECT_EQ(found, device + 8);
    EXPECT_EQ(pointer, words + 2);
  }
  ASSERT_EQ(cuMemcpyHtoD_v2(device, "abcd", 4, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(memcmp(words, "abcd", 4), 0);
  ASSERT_EQ(cuMemHostUnregister(words), CUDA_SUCCESS);
  CUdeviceptr gone = 0;
  EXPECT_NE(cuPointerGetAttribute(&gone, CU_POINTER_ATTRIBUTE_DEVICE_POINTER, device),
            CUDA_SUCCESS);
  munmap(words, kPage);
}

// What kernels are kept from, they are kept from after this as well.
TEST_F(RegisteredMemory, OpensNothingElseToKernels) {
  CUcontext doomed = nullptr;
  for (const bool by_host : {true, false}) {
    ASSERT_EQ(cuCtxCreate_v2(&doomed, 0, 0), CUDA_SUCCESS);
    auto* words = static_cast<uint32_t*>(Map(3 * kPage, MAP_PRIVATE));
    const CUdeviceptr device = Register(words, kPage);
    const CUdeviceptr outside = by_host ? reinterpret_cast<CUdeviceptr>(words) : device + kPage;
    EXPECT_EQ(AddOne(outside), CUDA_ERROR_ILLEGAL_ADDRESS);
    for (size_t i = 0; i < 3 * kPage / 4; ++i) {
      ASSERT_EQ(words[i], 0u) << i;
    }
    EXPECT_EQ(cuCtxDestroy_v2(doomed), CUDA_SUCCESS);
    munmap(words, 3 * kPage);
  }
}

TEST_F(RegisteredMemory, LosesNoStoreWhileItsPagesAreMoved) {
  constexpr size_t kPages = 64;
  auto* words = static_cast<uint32_t*>(Map(kPages * kPage, MAP_PRIVATE));
  std::atomic<bool> ends{false};
  uint32_t last = 0;
  std::thread writer([&] {
    while (!ends.load()) {
      ++last;
      for (size_t page = 0; page < kPages; ++page) {
        const_cast<volatile uint32_t*>(words)[page * kPage / 4] = last;
      }
    }
  });
  for (int round = 0; round < 50; ++round) {
    static_cast<void>(Register(words, kPages * kPage));
    EXPECT_EQ(cuMemHostUnregister(words), CUDA_SUCCESS);
  }
  ends = true;
  writer.join();
  for (size_t page = 0; page < kPages; ++page) {
    ASSERT_EQ(words[page * kPage / 4], last) << page;
  }
  munmap(words, kPages * kPage);
}

}  // namespace
}  // namespace farlane::soft
