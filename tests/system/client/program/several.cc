// SPDX-License-Identifier: Apache-2.0
// One program with two servers, each of which has one device: work on both, what goes between them
// and when, what cannot, and that the end of one is not the end of the other.
#include <cstdio>
#include <ctime>
#include <vector>

#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

constexpr uint32_t kCells = 100000;
constexpr size_t kBytes = kCells * sizeof(uint32_t);

// What the program has of one server.
struct Place {
  CUcontext context = nullptr;
  Kernels kernels;
  CUdeviceptr cells = 0;
  CUdeviceptr flag = 0;  // of a kernel that spins
  CUstream stream = nullptr;
  CUstream other = nullptr;
  CUevent event = nullptr;

  explicit Place(CUdevice device) {
    EXPECT_OK(Cuda().cuDevicePrimaryCtxRetain(&context, device));
    Enter();
    kernels = LoadKernels();
    EXPECT_OK(Cuda().cuMemAlloc_v2(&cells, kBytes));
    EXPECT_OK(Cuda().cuMemAlloc_v2(&flag, sizeof(uint32_t)));
    EXPECT_OK(Cuda().cuMemsetD32_v2(flag, 0, 1));
    EXPECT_OK(Cuda().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    EXPECT_OK(Cuda().cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
    EXPECT_OK(Cuda().cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    EXPECT_OK(Cuda().cuCtxSynchronize());
  }

  void Enter() const { EXPECT_OK(Cuda().cuCtxSetCurrent(context)); }

  // Nothing goes on in the stream until Release.
  void Hold() {
    Enter();
    void* parameters[] = {&flag};
    EXPECT_OK(
        Cuda().cuLaunchKernel(kernels.spin, 1, 1, 1, 1, 1, 1, 0, stream, parameters, nullptr));
  }

  void Release() {
    Enter();
    EXPECT_OK(Cuda().cuMemsetD32Async(flag, 1, 1, other));
    EXPECT_OK(Cuda().cuStreamSynchronize(other));
  }

  // Cell i holds value + i.
  void ExpectCells(uint32_t value) const {
    std::vector<uint32_t> found(kCells, 0);
    EXPECT_OK(Cuda().cuMemcpyDtoH_v2(found.data(), cells, kBytes));
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < kCells; ++i) {
      wrong += found[i] == value + i ? 0 : 1;
    }
    EXPECT(wrong, 0);
  }
};

void Start() {
  int count = 0;
  EXPECT_OK(Cuda().cuInit(0));
  EXPECT_OK(Cuda().cuDeviceGetCount(&count));
  EXPECT(count, 2);
}

// Long enough that who does not wait has gone on.
void Pause() {
  const timespec pause = {.tv_sec = 0, .tv_nsec = 50'000'000};
  nanosleep(&pause, nullptr);
}

// A wait for an event of the other server, which is recorded anew before it is reached.
void CheckEvents(Place& first, Place& second) {
  first.Hold();
  EXPECT_OK(Cuda().cuEventRecord(first.event, first.stream));
  EXPECT_OK(Cuda().cuStreamWaitEvent(second.stream, first.event, 0));
  second.Enter();
  EXPECT_OK(Fill(second.kernels, second.cells, 7, kCells, second.stream));
  Pause();
  EXPECT(Cuda().cuStreamQuery(second.stream), CUDA_ERROR_NOT_READY);
  EXPECT(Cuda().cuEventQuery(first.event), CUDA_ERROR_NOT_READY);
  // Behind another kernel that does not end: the wait is for what was recorded when it was asked
  // for.
  first.Release();
  EXPECT_OK(Cuda().cuMemsetD32Async(first.flag, 0, 1, first.stream));
  first.Hold();
  EXPECT_OK(Cuda().cuEventRecord(first.event, first.stream));
  EXPECT_OK(Cuda().cuStreamSynchronize(second.stream));
  second.ExpectCells(7);
  EXPECT(Cuda().cuEventQuery(first.event), CUDA_ERROR_NOT_READY);
  first.Release();
  second.Enter();
  EXPECT_OK(Cuda().cuEventSynchronize(first.event));
}

// A copy in a stream, behind what is not done and before what comes after it.
void CheckCopies(Place& from, Place& to) {
  from.Enter();
  EXPECT_OK(Cuda().cuMemsetD32Async(from.flag, 0, 1, from.stream));
  EXPECT_OK(Cuda().cuStreamSynchronize(from.stream));
  from.Hold();
  EXPECT_OK(Fill(from.kernels, from.cells, 40, kCells, from.stream));
  EXPECT_OK(Cuda().cuMemcpyPeerAsync(to.cells, to.context, from.cells, from.context, kBytes,
                                     from.stream));
  EXPECT_OK(Fill(from.kernels, from.cells, 50, kCells, from.stream));
  EXPECT(Cuda().cuStreamQuery(from.stream), CUDA_ERROR_NOT_READY);
  from.Release();
  EXPECT_OK(Cuda().cuStreamSynchronize(from.stream));
  to.ExpectCells(40);  // with the other context current
  from.ExpectCells(50);
  EXPECT_OK(Cuda().cuMemcpyPeer(to.cells, to.context, from.cells, from.context, kBytes));
  to.ExpectCells(50);
  EXPECT(Cuda().cuMemcpyPeerAsync(to.cells + kBytes / 2, to.context, from.cells, from.context,
                                  kBytes, from.stream),
         CUDA_ERROR_INVALID_VALUE);
}

// What would need one server to know the other.
void CheckRefusals(const Place& first, const Place& second) {
  int possible = 1;
  EXPECT_OK(Cuda().cuDeviceCanAccessPeer(&possible, 0, 1));
  EXPECT(possible, 0);
  possible = 1;
  EXPECT_OK(
      Cuda().cuDeviceGetP2PAttribute(&possible, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, 1, 0));
  EXPECT(possible, 0);
  first.Enter();
  EXPECT(Cuda().cuCtxEnablePeerAccess(second.context, 0), CUDA_ERROR_PEER_ACCESS_UNSUPPORTED);
  EXPECT(Cuda().cuCtxDisablePeerAccess(second.context), CUDA_ERROR_PEER_ACCESS_NOT_ENABLED);
  EXPECT(Cuda().cuEventRecord(second.event, first.stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(Fill(second.kernels, first.cells, 0, 1, first.stream), CUDA_ERROR_INVALID_HANDLE);
  CUgraph graph = nullptr;
  EXPECT_OK(Cuda().cuStreamBeginCapture_v2(first.stream, CU_STREAM_CAPTURE_MODE_RELAXED));
  EXPECT(Cuda().cuMemcpyPeerAsync(second.cells, second.context, first.cells, first.context, kBytes,
                                  first.stream),
         CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  EXPECT(Cuda().cuStreamEndCapture(first.stream, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
}

void Say(const char* line) {
  std::printf("%s\n", line);
  std::fflush(stdout);
}

}  // namespace

void SeveralServers() {
  Start();
  Place first(0);
  Place second(1);
  for (const Place* place : {&first, &second}) {
    place->Enter();
    CheckWork(place->kernels, 11);
    CheckWork(place->kernels, 12, place->stream);
  }
  CheckEvents(first, second);
  CheckCopies(first, second);
  CheckCopies(second, first);
  CheckRefusals(first, second);
  EXPECT_OK(Cuda().cuMemFree_v2(second.cells));  // with the other context current
  EXPECT_OK(Cuda().cuStreamDestroy_v2(second.stream));
}

// Says "working"; then the first server is ended, and a line read.
void OneServerEnds() {
  Start();
  Place first(0);
  Place second(1);
  Say("working");
  std::getchar();
  first.Enter();
  while (Fill(first.kernels, first.cells, 0, kCells) == CUDA_SUCCESS &&
         Cuda().cuCtxSynchronize() == CUDA_SUCCESS) {
    // It takes a moment until the connection ends.
  }
  EXPECT(Cuda().cuCtxSynchronize(), CUDA_ERROR_DEVICE_UNAVAILABLE);
  EXPECT(Fill(first.kernels, first.cells, 0, kCells), CUDA_ERROR_DEVICE_UNAVAILABLE);
  second.Enter();
  CheckWork(second.kernels, 21);
  CheckWork(second.kernels, 22, second.stream);
  EXPECT(Cuda().cuMemcpyDtoD_v2(second.cells, first.cells, kBytes), CUDA_ERROR_DEVICE_UNAVAILABLE);
  EXPECT(Cuda().cuEventSynchronize(first.event), CUDA_ERROR_DEVICE_UNAVAILABLE);
  CheckWork(second.kernels, 23);
}

// How many devices there are, and of which contexts' devices.
void CountDevices() {
  int count = 0;
  EXPECT_OK(Cuda().cuInit(0));
  EXPECT_OK(Cuda().cuDeviceGetCount(&count));
  std::printf("%d devices\n", count);
  for (CUdevice device = 0; device < count; ++device) {
    CUcontext context = nullptr;
    CUdevice found = -1;
    EXPECT_OK(Cuda().cuDevicePrimaryCtxRetain(&context, device));
    EXPECT_OK(Cuda().cuCtxSetCurrent(context));
    EXPECT_OK(Cuda().cuCtxGetDevice(&found));
    EXPECT(found, device);
    CheckWork(LoadKernels(), 31);
  }
}

}  // namespace farlane::cases
