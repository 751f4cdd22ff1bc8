// SPDX-License-Identifier: Apache-2.0
// Errors that nobody waited for: told once at a later call, or at every later call if the context
// is beyond use.
#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

// An address that is nobody's.
constexpr CUdeviceptr kNowhere = 0x7f00dead00001000;

CUresult Poke(const Kernels& kernels, CUdeviceptr address) {
  void* parameters[] = {&address};
  return Cuda().cuLaunchKernel(kernels.poke, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, nullptr);
}

// What only the driver refuses: a launch on a stream of another context.
CUresult LaunchElsewhere(const Kernels& kernels, CUstream stream) {
  return Cuda().cuLaunchKernel(kernels.nothing, 1, 1, 1, 1, 1, 1, 0, stream, nullptr, nullptr);
}

CUstream StreamOfAnotherContext() {
  CUcontext mine = nullptr;
  CUcontext other = nullptr;
  CUstream stream = nullptr;
  EXPECT_OK(Cuda().cuCtxGetCurrent(&mine));
  EXPECT_OK(Cuda().cuCtxCreate_v2(&other, 0, 0));
  EXPECT_OK(Cuda().cuStreamCreate(&stream, 0));
  EXPECT_OK(Cuda().cuCtxSetCurrent(mine));
  return stream;
}

}  // namespace

void PostedErrors() {
  Begin();
  const Kernels kernels = LoadKernels();
  const CUstream elsewhere = StreamOfAnotherContext();
  EXPECT_OK(LaunchElsewhere(kernels, elsewhere));
  const CUresult told = Cuda().cuCtxSynchronize();
  EXPECT_TRUE(told == CUDA_ERROR_INVALID_HANDLE || told == CUDA_ERROR_INVALID_CONTEXT ||
              told == CUDA_ERROR_INVALID_VALUE);
  EXPECT_OK(Cuda().cuCtxSynchronize());
  CheckWork(kernels, 41);
}

void Synchronous() {
  Begin();
  const Kernels kernels = LoadKernels();
  const CUstream elsewhere = StreamOfAnotherContext();
  EXPECT_TRUE(LaunchElsewhere(kernels, elsewhere) != CUDA_SUCCESS);
  EXPECT_OK(Cuda().cuCtxSynchronize());
  CheckWork(kernels, 42);
  EXPECT(Poke(kernels, kNowhere), CUDA_ERROR_ILLEGAL_ADDRESS);
}

void Faults() {
  Begin();
  const Kernels kernels = LoadKernels();
  CheckWork(kernels, 51);
  EXPECT_OK(Poke(kernels, kNowhere));
  EXPECT(Cuda().cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
  CUdeviceptr address = 0;
  CUstream stream = nullptr;
  EXPECT(Cuda().cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT(Cuda().cuMemAlloc_v2(&address, 100), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT(Cuda().cuStreamCreate(&stream, 0), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT(Poke(kernels, kNowhere), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_OK(Cuda().cuDevicePrimaryCtxReset_v2(0));
  Begin();
  CheckWork(LoadKernels(), 52);
}

}  // namespace farlane::cases
