// SPDX-License-Identifier: Apache-2.0
// Two devices that need not be in one machine: nothing of one is read by kernels of the other, and
// everything that goes between them does so by copies, events and the program's own memory.
#include <algorithm>
#include <numeric>

#include "tests/apps/cuda_call.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kCells = 300000;
constexpr size_t kBytes = kCells * sizeof(unsigned);
constexpr unsigned kBlocks = (kCells + 255) / 256;
constexpr int kRounds = 6;
constexpr unsigned kSlow = 3000;  // turns of a loop: long enough that whoever does not wait is seen

__device__ unsigned device_bias;

// What a cell becomes in one step; every other step of `turns` undoes the one before.
__global__ void Step(unsigned* cells, unsigned factor, unsigned turns) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < kCells) {
    volatile unsigned held = cells[i];
    for (unsigned turn = 0; turn < turns; ++turn) {
      held = held ^ turn;
      held = held ^ turn;
    }
    cells[i] = held * factor + device_bias + (apps::kMutate && i == 4711 ? 1 : 0);
  }
}

namespace {

using Cells = std::vector<unsigned>;

Cells Stepped(Cells cells, unsigned factor, unsigned bias) {
  for (unsigned& cell : cells) {
    cell = cell * factor + bias;
  }
  return cells;
}

// One device with what the checks use of it.
struct Place {
  int device = 0;
  unsigned bias = 0;
  unsigned* cells = nullptr;
  cudaStream_t stream = nullptr;
  cudaEvent_t event = nullptr;
};

Place Open(int device, unsigned bias) {
  Place place{device, bias, nullptr, nullptr, nullptr};
  CUDA_CALL(cudaSetDevice(device));
  place.cells = apps::DeviceArray<unsigned>(kCells);
  CUDA_CALL(cudaStreamCreateWithFlags(&place.stream, cudaStreamNonBlocking));
  CUDA_CALL(cudaEventCreateWithFlags(&place.event, cudaEventDisableTiming));
  CUDA_CALL(cudaMemcpyToSymbol(device_bias, &bias, sizeof bias));
  return place;
}

// With the other device current: what belongs to a device says so itself.
void Close(const Place& place) {
  CUDA_CALL(cudaSetDevice(1 - place.device));
  CUDA_CALL(cudaStreamSynchronize(place.stream));
  CUDA_CALL(cudaStreamDestroy(place.stream));
  CUDA_CALL(cudaEventDestroy(place.event));
  CUDA_CALL(cudaFree(place.cells));
}

void StepOn(const Place& place, unsigned factor, unsigned turns) {
  CUDA_CALL(cudaSetDevice(place.device));
  Step<<<kBlocks, 256, 0, place.stream>>>(place.cells, factor, turns);
  CUDA_CALL(cudaGetLastError());
}

void CheckEach(apps::Verdict& verdict, const Place& place, const Cells& cells) {
  CUDA_CALL(cudaSetDevice(place.device));
  CUDA_CALL(
      cudaMemcpyAsync(place.cells, cells.data(), kBytes, cudaMemcpyHostToDevice, place.stream));
  StepOn(place, 3, 1);
  CUDA_CALL(cudaStreamSynchronize(place.stream));
  verdict.ExpectEqual(apps::HostCopy(place.cells, kCells), Stepped(cells, 3, place.bias),
                      "a kernel on a device of its own");
  unsigned bias = 0;
  CUDA_CALL(cudaMemcpyFromSymbol(&bias, device_bias, sizeof bias));
  verdict.ExpectCode(static_cast<int>(bias), static_cast<int>(place.bias), "a device's variable");
  cudaPointerAttributes facts{};
  CUDA_CALL(cudaSetDevice(1 - place.device));
  CUDA_CALL(cudaPointerGetAttributes(&facts, place.cells));
  verdict.ExpectCode(facts.device, place.device, "whose memory it is");
  CUDA_CALL(cudaStreamQuery(place.stream));
}

void CheckCopies(apps::Verdict& verdict, const Place& from, const Place& to, const Cells& cells) {
  CUDA_CALL(cudaSetDevice(from.device));
  CUDA_CALL(cudaMemcpy(from.cells, cells.data(), kBytes, cudaMemcpyHostToDevice));
  CUDA_CALL(cudaDeviceSynchronize());
  CUDA_CALL(cudaSetDevice(to.device));
  CUDA_CALL(cudaMemcpyPeer(to.cells, to.device, from.cells, from.device, kBytes));
  verdict.ExpectEqual(apps::HostCopy(to.cells, kCells), cells, "a peer copy");
  CUDA_CALL(cudaMemset(to.cells, 0, kBytes));
  CUDA_CALL(cudaDeviceSynchronize());
  CUDA_CALL(cudaSetDevice(from.device));
  CUDA_CALL(cudaMemcpy(to.cells + 7, from.cells, kBytes / 2, cudaMemcpyDefault));
  Cells wanted(kCells);
  std::copy(cells.begin(), cells.begin() + kCells / 2, wanted.begin() + 7);
  // With a device current that has nothing to do with it.
  verdict.ExpectEqual(apps::HostCopy(to.cells, kCells), wanted, "a copy by address");
}

// Kernel, copy, kernel: on the stream of either device, with the other one current.
void CheckOrder(apps::Verdict& verdict, const Place& from, const Place& to, const Cells& cells) {
  CUDA_CALL(cudaSetDevice(from.device));
  CUDA_CALL(cudaMemcpy(from.cells, cells.data(), kBytes, cudaMemcpyHostToDevice));
  CUDA_CALL(cudaDeviceSynchronize());
  StepOn(from, 5, kSlow);
  CUDA_CALL(cudaSetDevice(to.device));
  CUDA_CALL(cudaMemcpyPeerAsync(to.cells, to.device, from.cells, from.device, kBytes, from.stream));
  StepOn(from, 7, 1);  // after the copy, which must not see it
  CUDA_CALL(cudaStreamSynchronize(from.stream));
  const Cells once = Stepped(cells, 5, from.bias);
  CUDA_CALL(cudaSetDevice(to.device));
  verdict.ExpectEqual(apps::HostCopy(to.cells, kCells), once, "a copy behind a kernel");
  const Cells twice = Stepped(once, 7, from.bias);
  verdict.ExpectEqual(apps::HostCopy(from.cells, kCells), twice, "a kernel behind a copy");
  CUDA_CALL(cudaMemcpyPeerAsync(to.cells, to.device, from.cells, from.device, kBytes, to.stream));
  StepOn(to, 9, 1);
  CUDA_CALL(cudaStreamSynchronize(to.stream));
  verdict.ExpectEqual(apps::HostCopy(to.cells, kCells), Stepped(twice, 9, to.bias),
                      "a kernel behind a copy to its device");
}

// The cells go to and fro, and only events say when. Each event is recorded anew in every round.
void CheckEvents(apps::Verdict& verdict, const Place& a, const Place& b, const Cells& cells) {
  CUDA_CALL(cudaSetDevice(a.device));
  CUDA_CALL(cudaMemcpy(a.cells, cells.data(), kBytes, cudaMemcpyHostToDevice));
  CUDA_CALL(cudaDeviceSynchronize());
  Cells wanted = cells;
  for (int round = 0; round < kRounds; ++round) {
    StepOn(a, 3, kSlow);
    CUDA_CALL(cudaEventRecord(a.event, a.stream));
    CUDA_CALL(cudaStreamWaitEvent(b.stream, a.event, 0));
    CUDA_CALL(cudaMemcpyPeerAsync(b.cells, b.device, a.cells, a.device, kBytes, b.stream));
    StepOn(b, 5, kSlow);
    CUDA_CALL(cudaEventRecord(b.event, b.stream));
    CUDA_CALL(cudaStreamWaitEvent(a.stream, b.event, 0));
    CUDA_CALL(cudaMemcpyPeerAsync(a.cells, a.device, b.cells, b.device, kBytes, a.stream));
    wanted = Stepped(Stepped(wanted, 3, a.bias), 5, b.bias);
  }
  CUDA_CALL(cudaEventRecord(a.event, a.stream));
  CUDA_CALL(cudaSetDevice(b.device));
  CUDA_CALL(cudaEventSynchronize(a.event));
  CUDA_CALL(cudaEventQuery(a.event));
  verdict.ExpectEqual(apps::HostCopy(a.cells, kCells), wanted, "cells that went to and fro");
}

void CUDART_CB AddOne(void* data) {
  unsigned* cells = static_cast<unsigned*>(data);
  std::for_each(cells, cells + kCells, [](unsigned& cell) { ++cell; });
}

// Through pinned memory of the program, with functions of it in both streams.
void CheckPinned(apps::Verdict& verdict, const Place& from, const Place& to, const Cells& cells) {
  CUDA_CALL(cudaSetDevice(from.device));
  void* memory = nullptr;
  CUDA_CALL(cudaHostAlloc(&memory, kBytes, cudaHostAllocPortable));
  unsigned* pinned = static_cast<unsigned*>(memory);
  CUDA_CALL(cudaMemcpy(from.cells, cells.data(), kBytes, cudaMemcpyHostToDevice));
  CUDA_CALL(cudaDeviceSynchronize());
  StepOn(from, 11, kSlow);
  CUDA_CALL(cudaMemcpyAsync(pinned, from.cells, kBytes, cudaMemcpyDeviceToHost, from.stream));
  CUDA_CALL(cudaLaunchHostFunc(from.stream, &AddOne, pinned));
  CUDA_CALL(cudaEventRecord(from.event, from.stream));
  CUDA_CALL(cudaStreamWaitEvent(to.stream, from.event, 0));
  CUDA_CALL(cudaSetDevice(to.device));
  CUDA_CALL(cudaLaunchHostFunc(to.stream, &AddOne, pinned));
  CUDA_CALL(cudaMemcpyAsync(to.cells, pinned, kBytes, cudaMemcpyHostToDevice, to.stream));
  StepOn(to, 13, 1);
  CUDA_CALL(cudaStreamSynchronize(to.stream));
  const Cells wanted = Stepped(Stepped(cells, 11, from.bias + 2), 13, to.bias);
  verdict.ExpectEqual(apps::HostCopy(to.cells, kCells), wanted, "cells by pinned memory");
  CUDA_CALL(cudaFreeHost(memory));
}

void CheckPools(apps::Verdict& verdict, const Place& place, const Cells& cells) {
  CUDA_CALL(cudaSetDevice(place.device));
  void* memory = nullptr;
  CUDA_CALL(cudaMallocAsync(&memory, kBytes, place.stream));
  CUDA_CALL(cudaMemcpyAsync(memory, cells.data(), kBytes, cudaMemcpyHostToDevice, place.stream));
  CUDA_CALL(cudaMemcpyAsync(place.cells, memory, kBytes, cudaMemcpyDefault, place.stream));
  CUDA_CALL(cudaFreeAsync(memory, place.stream));
  CUDA_CALL(cudaStreamSynchronize(place.stream));
  verdict.ExpectEqual(apps::HostCopy(place.cells, kCells), cells, "memory of a device's pool");
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("far_devices", argc, argv);
  apps::SeededRandom random(verdict.seed());
  int count = 0;
  CUDA_CALL(cudaGetDeviceCount(&count));
  if (count < 2) {
    std::printf("SKIPPED: this program needs two devices, and there is %d\n", count);
    return 77;
  }
  const Cells cells = random.Integers<unsigned>(kCells);
  const Place first = Open(0, static_cast<unsigned>(random.Next()) >> 1);
  const Place second = Open(1, static_cast<unsigned>(random.Next()) >> 1);
  CheckEach(verdict, first, cells);
  CheckEach(verdict, second, cells);
  CheckCopies(verdict, first, second, cells);
  CheckCopies(verdict, second, first, cells);
  CheckOrder(verdict, first, second, cells);
  CheckOrder(verdict, second, first, cells);
  CheckEvents(verdict, first, second, cells);
  CheckPinned(verdict, first, second, cells);
  CheckPinned(verdict, second, first, cells);
  CheckPools(verdict, second, cells);
  CheckPools(verdict, first, cells);
  Close(first);
  Close(second);
  return verdict.Finish();
}
