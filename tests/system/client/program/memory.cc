// SPDX-License-Identifier: Apache-2.0
// Memory to the last byte. The server of these cases offers 64 MiB.
#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

constexpr size_t kChunkBytes = 2 << 20;
constexpr size_t kChunks = 32;

}  // namespace

void OutOfMemory() {
  Begin();
  std::vector<CUdeviceptr> held;
  CUdeviceptr address = 0;
  for (size_t i = 0; i < kChunks; ++i) {
    EXPECT_OK(Cuda().cuMemAlloc_v2(&address, kChunkBytes));
    held.push_back(address);
  }
  EXPECT(Cuda().cuMemAlloc_v2(&address, kChunkBytes), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT(Cuda().cuMemAlloc_v2(&address, 1), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT(Cuda().cuMemAlloc_v2(&address, ~0ull), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT(Cuda().cuMemAlloc_v2(&address, 1ull << 50), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_OK(Cuda().cuMemFree_v2(held[7]));
  EXPECT_OK(Cuda().cuMemAlloc_v2(&held[7], kChunkBytes));
  EXPECT(Cuda().cuMemAlloc_v2(&address, kChunkBytes), CUDA_ERROR_OUT_OF_MEMORY);
  // What is freed here and there is as good as what is freed in one piece.
  for (size_t i = 0; i < kChunks; i += 2) {
    EXPECT_OK(Cuda().cuMemFree_v2(held[i]));
  }
  EXPECT_OK(Cuda().cuMemAlloc_v2(&address, kChunks / 2 * kChunkBytes));
  EXPECT_OK(Cuda().cuMemsetD8_v2(address, 7, kChunks / 2 * kChunkBytes));
  unsigned char last = 0;
  EXPECT_OK(Cuda().cuMemcpyDtoH_v2(&last, address + kChunks / 2 * kChunkBytes - 1, 1));
  EXPECT(last, 7);
}

void MemoryInfo() {
  Begin();
  size_t free_before = 0;
  size_t free_after = 0;
  size_t total = 0;
  size_t device_total = 0;
  CUdeviceptr address = 0;
  EXPECT_OK(Cuda().cuDeviceTotalMem_v2(&device_total, 0));
  EXPECT_OK(Cuda().cuMemGetInfo_v2(&free_before, &total));
  EXPECT(total, kChunks * kChunkBytes);
  EXPECT(device_total, total);
  EXPECT_TRUE(free_before <= total);
  EXPECT_OK(Cuda().cuMemAlloc_v2(&address, 5 * kChunkBytes));
  EXPECT_OK(Cuda().cuMemGetInfo_v2(&free_after, &total));
  EXPECT(free_before - free_after, 5 * kChunkBytes);
  EXPECT_OK(Cuda().cuMemFree_v2(address));
  EXPECT_OK(Cuda().cuMemGetInfo_v2(&free_after, &total));
  EXPECT(free_after, free_before);
  // What it calls free can be had.
  EXPECT_OK(Cuda().cuMemAlloc_v2(&address, free_after));
  EXPECT_OK(Cuda().cuMemGetInfo_v2(&free_after, &total));
  EXPECT(free_after, 0);
}

void WrongCopies() {
  Begin();
  const Kernels kernels = LoadKernels();
  std::vector<unsigned char> host(8192);
  CUdeviceptr address = 0;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&address, 4096));
  EXPECT(Cuda().cuMemcpyHtoD_v2(address, host.data(), 4097), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuMemcpyDtoH_v2(host.data(), address + 4000, 97), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuMemcpyHtoD_v2(address, host.data(), ~0ull), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuMemcpyHtoD_v2(address, nullptr, 4), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuMemcpyHtoD_v2(0x1000, host.data(), 4), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuMemcpyDtoD_v2(address, address + 4000, 200), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuMemsetD8_v2(address, 1, 4097), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuMemsetD32_v2(address, 1, 1ull << 62), CUDA_ERROR_INVALID_VALUE);
  CUDA_MEMCPY2D rows{};
  rows.srcMemoryType = CU_MEMORYTYPE_HOST;
  rows.srcHost = host.data();
  rows.srcPitch = 64;
  rows.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  rows.dstDevice = address;
  rows.dstPitch = 64;
  rows.WidthInBytes = 64;
  rows.Height = 65;
  EXPECT(Cuda().cuMemcpy2D_v2(&rows), CUDA_ERROR_INVALID_VALUE);
  rows.Height = 1 + (1ull << 58);  // times the pitch: nothing, if it wraps
  EXPECT(Cuda().cuMemcpy2D_v2(&rows), CUDA_ERROR_INVALID_VALUE);
  rows.Height = 64;
  EXPECT_OK(Cuda().cuMemcpy2D_v2(&rows));
  CUDA_MEMCPY3D box{};
  box.srcMemoryType = CU_MEMORYTYPE_DEVICE;
  box.srcDevice = address;
  box.srcPitch = 1 << 16;
  box.srcHeight = 1 << 16;
  box.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  box.dstDevice = address;
  box.dstPitch = 1 << 16;
  box.dstHeight = 1 << 16;
  box.WidthInBytes = 64;
  box.Height = 1;
  box.Depth = 1 + (1ull << 32);  // times the slice: nothing, if it wraps
  EXPECT(Cuda().cuMemcpy3D_v2(&box), CUDA_ERROR_INVALID_VALUE);
  CheckWork(kernels, 31);
}

}  // namespace farlane::cases
