// SPDX-License-Identifier: Apache-2.0
// A program whose streams wait for it, and whose graph does, longer than a server may let a command
// take: a wait is no command.
#include <chrono>
#include <thread>

#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

void Sleep(void*) {
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
}

}  // namespace

void LongWaits() {
  Begin();
  const Kernels kernels = LoadKernels();
  CUstream stream = nullptr;
  CUdeviceptr cells = 0;
  EXPECT_OK(Cuda().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  EXPECT_OK(Cuda().cuMemAlloc_v2(&cells, 4096));
  EXPECT_OK(Fill(kernels, cells, 1, 64, stream));
  EXPECT_OK(Cuda().cuLaunchHostFunc(stream, Sleep, nullptr));
  EXPECT_OK(Fill(kernels, cells, 1, 64, stream));
  EXPECT_OK(Cuda().cuStreamSynchronize(stream));

  CUgraph graph = nullptr;
  CUgraphExec exec = nullptr;
  EXPECT_OK(Cuda().cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
  EXPECT_OK(Fill(kernels, cells, 2, 64, stream));
  EXPECT_OK(Cuda().cuLaunchHostFunc(stream, Sleep, nullptr));
  EXPECT_OK(Fill(kernels, cells, 3, 64, stream));
  EXPECT_OK(Cuda().cuStreamEndCapture(stream, &graph));
  EXPECT_OK(Cuda().cuGraphInstantiateWithFlags(&exec, graph, 0));
  EXPECT_OK(Cuda().cuGraphLaunch(exec, stream));
  EXPECT_OK(Cuda().cuStreamSynchronize(stream));
  CheckWork(kernels, 9);
  std::printf("done\n");
}

}  // namespace farlane::cases
