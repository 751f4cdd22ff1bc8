// SPDX-License-Identifier: Apache-2.0
// Handles that name nothing: numbers out of the air, of another kind, or of something that is gone.
#include <array>

#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

template <typename T>
T Made(uint64_t bits) {
  return reinterpret_cast<T>(bits);
}

// What no library has ever given out. Small numbers, text, an address, all bits, and something that
// looks like a handle of each kind.
std::vector<uint64_t> Forgeries() {
  std::vector<uint64_t> bits = {3,
                                0x1000,
                                0x7f00dead00001000,
                                0x4141414141414141,
                                ~0ull,
                                reinterpret_cast<uint64_t>(&Forgeries)};
  for (uint64_t kind = 0; kind <= 7; ++kind) {
    bits.push_back(kind << 56 | 0x000077ull << 32 | 1);
    bits.push_back(kind << 56 | 0xffffffull << 32 | 0xffffffff);
    bits.push_back(kind << 56 | 0x000001ull << 32 | 0x003fffff);
  }
  return bits;
}

void CheckStream(CUstream stream) {
  unsigned flags = 0;
  int priority = 0;
  unsigned long long id = 0;
  CUcontext context = nullptr;
  CUdeviceptr cell = 0;
  uint32_t word = 0;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&cell, 512));
  EXPECT(Cuda().cuStreamSynchronize(stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuStreamQuery(stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuStreamDestroy_v2(stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuStreamGetFlags(stream, &flags), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuStreamGetPriority(stream, &priority), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuStreamGetId(stream, &id), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuStreamGetCtx(stream, &context), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuMemcpyHtoDAsync_v2(cell, &word, 4, stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuMemcpyDtoHAsync_v2(&word, cell, 4, stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuMemcpyDtoDAsync_v2(cell, cell + 256, 4, stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuMemsetD32Async(cell, 0, 4, stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_OK(Cuda().cuMemFree_v2(cell));
}

void CheckEvent(CUevent event, CUevent good) {
  float time = 0;
  EXPECT(Cuda().cuEventRecord(event, nullptr), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuEventQuery(event), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuEventSynchronize(event), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuEventElapsedTime(&time, good, event), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuEventElapsedTime(&time, event, good), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuStreamWaitEvent(nullptr, event, 0), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuEventDestroy_v2(event), CUDA_ERROR_INVALID_HANDLE);
}

void CheckFunction(CUfunction function) {
  int value = 0;
  size_t offset = 0;
  size_t size = 0;
  const char* name = nullptr;
  CUmodule module = nullptr;
  EXPECT(Cuda().cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, nullptr),
         CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuLaunchCooperativeKernel(function, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr),
         CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_NUM_REGS, function),
         CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 0),
         CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuFuncGetName(&name, function), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuFuncGetModule(&module, function), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuFuncGetParamInfo(function, 0, &offset, &size), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuOccupancyMaxActiveBlocksPerMultiprocessor(&value, function, 32, 0),
         CUDA_ERROR_INVALID_HANDLE);
}

void CheckModule(CUmodule module) {
  CUfunction function = nullptr;
  CUdeviceptr address = 0;
  size_t bytes = 0;
  unsigned count = 0;
  const auto library = reinterpret_cast<CUlibrary>(module);
  EXPECT(Cuda().cuModuleGetFunction(&function, module, "fill"), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuModuleGetGlobal_v2(&address, &bytes, module, "x"), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuModuleGetFunctionCount(&count, module), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuModuleUnload(module), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuLibraryGetKernelCount(&count, library), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Cuda().cuLibraryUnload(library), CUDA_ERROR_INVALID_HANDLE);
}

void CheckContext(CUcontext context) {
  unsigned version = 0;
  EXPECT(Cuda().cuCtxSetCurrent(context), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT(Cuda().cuCtxPushCurrent_v2(context), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT(Cuda().cuCtxDestroy_v2(context), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT(Cuda().cuCtxGetApiVersion(context, &version), CUDA_ERROR_INVALID_CONTEXT);
}

// A handle of one kind is none of another, and none of its own once its object is gone.
void CheckStale(const Kernels& kernels, CUevent good) {
  CUstream stream = nullptr;
  CUevent event = nullptr;
  EXPECT_OK(Cuda().cuStreamCreate(&stream, 0));
  EXPECT_OK(Cuda().cuEventCreate(&event, 0));
  CheckEvent(reinterpret_cast<CUevent>(stream), good);
  CheckFunction(reinterpret_cast<CUfunction>(stream));
  CheckModule(reinterpret_cast<CUmodule>(kernels.fill));
  CheckStream(reinterpret_cast<CUstream>(event));
  CheckContext(reinterpret_cast<CUcontext>(kernels.module));
  EXPECT_OK(Cuda().cuStreamDestroy_v2(stream));
  EXPECT_OK(Cuda().cuEventDestroy_v2(event));
  CheckStream(stream);
  CheckEvent(event, good);
  // New objects may take the places of the old ones, but not their names.
  CUstream stream_after = nullptr;
  CUevent event_after = nullptr;
  EXPECT_OK(Cuda().cuStreamCreate(&stream_after, 0));
  EXPECT_OK(Cuda().cuEventCreate(&event_after, 0));
  CheckStream(stream);
  CheckEvent(event, good);
  EXPECT_OK(Cuda().cuStreamDestroy_v2(stream_after));
  EXPECT_OK(Cuda().cuEventDestroy_v2(event_after));
  const Kernels gone = LoadKernels();
  EXPECT_OK(Cuda().cuModuleUnload(gone.module));
  CheckModule(gone.module);
  CheckFunction(gone.fill);
}

}  // namespace

void UnknownHandles() {
  Begin();
  const Kernels kernels = LoadKernels();
  CUevent good = nullptr;
  EXPECT_OK(Cuda().cuEventCreate(&good, 0));
  EXPECT_OK(Cuda().cuEventRecord(good, nullptr));
  for (const uint64_t bits : Forgeries()) {
    CheckStream(Made<CUstream>(bits));
    CheckEvent(Made<CUevent>(bits), good);
    CheckFunction(Made<CUfunction>(bits));
    CheckModule(Made<CUmodule>(bits));
    CheckContext(Made<CUcontext>(bits));
  }
  CheckStale(kernels, good);
  EXPECT_OK(Cuda().cuEventSynchronize(good));
  EXPECT_OK(Cuda().cuEventDestroy_v2(good));
  CheckWork(kernels, 17);
}

void WrongPointers() {
  Begin();
  const Kernels kernels = LoadKernels();
  int value = 0;
  size_t size = 0;
  CUdevice device = 0;
  CUdeviceptr address = 0;
  EXPECT(Cuda().cuInit(1), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuDriverGetVersion(nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuDeviceGetCount(nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuDeviceGet(nullptr, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuDeviceGet(&device, 1000), CUDA_ERROR_INVALID_DEVICE);
  EXPECT(Cuda().cuDeviceGet(&device, -1), CUDA_ERROR_INVALID_DEVICE);
  EXPECT(Cuda().cuDeviceGetName(nullptr, 10, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuDeviceGetAttribute(&value, static_cast<CUdevice_attribute>(100000), 0),
         CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuMemAlloc_v2(nullptr, 100), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuMemAlloc_v2(&address, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuMemAllocPitch_v2(&address, nullptr, 100, 10, 4), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuMemAllocPitch_v2(&address, &size, 100, 10, 5), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuMemFree_v2(0x1234), CUDA_ERROR_INVALID_VALUE);
  EXPECT_OK(Cuda().cuMemFree_v2(0));
  EXPECT(Cuda().cuMemGetInfo_v2(nullptr, &size), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuMemFreeHost(&value), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuStreamCreate(nullptr, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuEventCreate(nullptr, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuModuleLoadData(nullptr, "x"), CUDA_ERROR_INVALID_VALUE);
  CUmodule module = nullptr;
  EXPECT(Cuda().cuModuleLoadData(&module, nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuModuleLoad(&module, "/nowhere/at/all"), CUDA_ERROR_FILE_NOT_FOUND);
  CUfunction function = nullptr;
  EXPECT(Cuda().cuModuleGetFunction(&function, kernels.module, "absent"), CUDA_ERROR_NOT_FOUND);
  EXPECT(Cuda().cuModuleGetFunction(nullptr, kernels.module, "fill"), CUDA_ERROR_INVALID_VALUE);
  EXPECT(Cuda().cuModuleGetGlobal_v2(&address, &size, kernels.module, "absent"),
         CUDA_ERROR_NOT_FOUND);
  // Freeing twice, and from the middle.
  EXPECT_OK(Cuda().cuMemAlloc_v2(&address, 4096));
  EXPECT(Cuda().cuMemFree_v2(address + 512), CUDA_ERROR_INVALID_VALUE);
  EXPECT_OK(Cuda().cuMemFree_v2(address));
  EXPECT(Cuda().cuMemFree_v2(address), CUDA_ERROR_INVALID_VALUE);
  // Nothing is current on a thread that has chosen nothing.
  EXPECT_OK(Cuda().cuCtxSetCurrent(nullptr));
  EXPECT(Cuda().cuMemAlloc_v2(&address, 100), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT(Cuda().cuCtxSynchronize(), CUDA_ERROR_INVALID_CONTEXT);
}

}  // namespace farlane::cases
