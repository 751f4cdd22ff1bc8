// SPDX-License-Identifier: Apache-2.0
// Several host threads at once, each with the default stream, its per-thread stream and one of its
// own. Built twice, with the legacy and with the per-thread default stream: both must be right.
#include <thread>

#include "tests/apps/cuda_call.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kThreads = 4;
constexpr unsigned kCells = 160;
constexpr unsigned kRounds = 12;

__global__ void Mix(unsigned* cells, unsigned key) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < kCells) {
    unsigned value = cells[i];
    for (int spin = 0; spin < 100; ++spin) {
      value = value * 22695477u + key;
    }
    cells[i] = apps::kMutate && key % 4 == 0 ? value ^ 1 : value;
  }
}

namespace {

using Cells = std::vector<unsigned>;

struct Outcome {
  Cells given;
  Cells wanted;
};

void MixOnHost(Cells& cells, unsigned key) {
  for (unsigned& cell : cells) {
    for (int spin = 0; spin < 100; ++spin) {
      cell = cell * 22695477u + key;
    }
  }
}

void Work(uint64_t seed, Outcome& outcome) {
  apps::SeededRandom random(seed);
  CUDA_CALL(cudaSetDevice(0));
  cudaStream_t own;
  cudaEvent_t handed_over;
  CUDA_CALL(cudaStreamCreateWithFlags(&own, cudaStreamNonBlocking));
  CUDA_CALL(cudaEventCreateWithFlags(&handed_over, cudaEventDisableTiming));
  outcome.wanted = random.Integers<unsigned>(kCells);
  unsigned* device = apps::DeviceArray<unsigned>(kCells);
  size_t bytes = kCells * sizeof(unsigned);
  CUDA_CALL(cudaMemcpyAsync(device, outcome.wanted.data(), bytes, cudaMemcpyHostToDevice,
                            cudaStreamPerThread));
  for (unsigned round = 0; round < kRounds; ++round) {
    unsigned key = static_cast<unsigned>(random.Next());
    // The default stream follows the per-thread stream in either meaning of "default".
    Mix<<<2, 80, 0, cudaStreamPerThread>>>(device, key);
    Mix<<<2, 80>>>(device, key + 1);
    Mix<<<2, 80, 0, cudaStreamPerThread>>>(device, key + 2);
    CUDA_CALL(cudaEventRecord(handed_over, cudaStreamPerThread));
    CUDA_CALL(cudaStreamWaitEvent(own, handed_over, 0));
    Mix<<<2, 80, 0, own>>>(device, key + 3);
    CUDA_CALL(cudaGetLastError());
    CUDA_CALL(cudaEventRecord(handed_over, own));
    CUDA_CALL(cudaStreamWaitEvent(cudaStreamPerThread, handed_over, 0));
    for (unsigned i = 0; i < 4; ++i) {
      MixOnHost(outcome.wanted, key + i);
    }
  }
  outcome.given.resize(kCells);
  CUDA_CALL(cudaMemcpyAsync(outcome.given.data(), device, bytes, cudaMemcpyDeviceToHost,
                            cudaStreamPerThread));
  CUDA_CALL(cudaStreamSynchronize(cudaStreamPerThread));
  CUDA_CALL(cudaEventDestroy(handed_over));
  CUDA_CALL(cudaStreamDestroy(own));
  CUDA_CALL(cudaFree(device));
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("thread_streams", argc, argv);
  Outcome outcomes[kThreads];
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kThreads; ++i) {
    threads.emplace_back(Work, verdict.seed() * 1000 + i, std::ref(outcomes[i]));
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (unsigned i = 0; i < kThreads; ++i) {
    verdict.ExpectEqual(outcomes[i].given, outcomes[i].wanted, "thread " + std::to_string(i));
  }
  CUDA_CALL(cudaDeviceSynchronize());
  return verdict.Finish();
}
