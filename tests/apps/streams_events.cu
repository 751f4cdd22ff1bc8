// SPDX-License-Identifier: Apache-2.0
// Work handed from stream to stream by events. Every step depends on the one before it and is slow
// enough that a step which starts too early reads the wrong data.
#include "tests/apps/cuda_call.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kCells = 192;
constexpr int kStreams = 4;
constexpr int kSteps = 24;
constexpr int kSpins = 400;
constexpr int kLongSpins = 20000000;

// The steps do not commute: the result tells their order.
__global__ void Step(unsigned* cells, unsigned add) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < kCells) {
    unsigned value = cells[i];
    for (int spin = 0; spin < kSpins; ++spin) {
      value = value * 1664525u + add;
    }
    cells[i] = apps::kMutate && add % 4 == 0 ? value + 1 : value;
  }
}

// Long enough for whoever does not wait for it to be early.
__global__ void Linger(unsigned* word) {
  unsigned value = *word;
  for (int spin = 0; spin < kLongSpins; ++spin) {
    value = value * 1664525u + 1013904223u;
  }
  *word = value;
}

namespace {

using Cells = std::vector<unsigned>;

void StepOnHost(Cells& cells, unsigned add) {
  for (unsigned& cell : cells) {
    for (int spin = 0; spin < kSpins; ++spin) {
      cell = cell * 1664525u + add;
    }
  }
}

void Launch(unsigned* cells, unsigned add, cudaStream_t stream) {
  Step<<<3, 64, 0, stream>>>(cells, add);
  CUDA_CALL(cudaGetLastError());
}

// One chain of steps, each in another stream than the one before.
void CheckChain(apps::Verdict& verdict, apps::SeededRandom& random) {
  cudaStream_t streams[kStreams];
  cudaEvent_t events[kStreams];
  for (int i = 0; i < kStreams; ++i) {
    CUDA_CALL(cudaStreamCreateWithFlags(&streams[i], cudaStreamNonBlocking));
    CUDA_CALL(cudaEventCreateWithFlags(&events[i], cudaEventDisableTiming));
  }
  Cells cells = random.Integers<unsigned>(kCells);
  unsigned* device = apps::DeviceCopy(cells);
  for (int step = 0; step < kSteps; ++step) {
    int current = static_cast<int>(random.Between(0, kStreams - 1));
    for (int i = 0; i < kStreams; ++i) {
      CUDA_CALL(cudaStreamWaitEvent(streams[current], events[i], 0));
    }
    unsigned add = static_cast<unsigned>(random.Next());
    Launch(device, add, streams[current]);
    StepOnHost(cells, add);
    // The same events again and again: a wait takes the record that is the latest when it is made.
    CUDA_CALL(cudaEventRecord(events[current], streams[current]));
  }
  for (cudaEvent_t event : events) {
    CUDA_CALL(cudaEventSynchronize(event));
    CUDA_CALL(cudaEventQuery(event));
  }
  verdict.ExpectEqual(apps::HostCopy(device, kCells), cells, "the chain across streams");
  for (int i = 0; i < kStreams; ++i) {
    CUDA_CALL(cudaStreamDestroy(streams[i]));
    CUDA_CALL(cudaEventDestroy(events[i]));
  }
  CUDA_CALL(cudaFree(device));
}

// The legacy stream waits for blocking streams and they wait for it, without any event.
void CheckLegacyStream(apps::Verdict& verdict, apps::SeededRandom& random) {
  cudaStream_t first;
  cudaStream_t second;
  CUDA_CALL(cudaStreamCreate(&first));
  CUDA_CALL(cudaStreamCreateWithPriority(&second, cudaStreamDefault, 0));
  Cells cells = random.Integers<unsigned>(kCells);
  unsigned* device = apps::DeviceCopy(cells);
  for (unsigned round = 0; round < 4; ++round) {
    unsigned add = static_cast<unsigned>(random.Next());
    Launch(device, add, first);
    Launch(device, add + 1, cudaStreamLegacy);
    Launch(device, add + 2, second);
    Launch(device, add + 3, cudaStreamLegacy);
    for (unsigned i = 0; i < 4; ++i) {
      StepOnHost(cells, add + i);
    }
  }
  verdict.ExpectEqual(apps::HostCopy(device, kCells), cells, "the legacy stream's order");
  CUDA_CALL(cudaStreamDestroy(first));
  CUDA_CALL(cudaStreamDestroy(second));
  CUDA_CALL(cudaFree(device));
}

// What a synchronous copy has brought is there for every stream, also for those that wait for no
// other, and however much its own stream had to do before.
void CheckSynchronousCopies(apps::Verdict& verdict, apps::SeededRandom& random) {
  cudaStream_t free_stream;
  CUDA_CALL(cudaStreamCreateWithFlags(&free_stream, cudaStreamNonBlocking));
  unsigned* word = apps::DeviceCopy(Cells(1));
  unsigned* device = apps::DeviceCopy(Cells(2 * kCells));
  // In turn the stream that copies, and one that the copy waits for.
  for (const cudaStream_t busy : {cudaStream_t{nullptr}, cudaStreamLegacy, cudaStreamPerThread}) {
    for (const bool rows : {false, true}) {
      Cells cells = random.Integers<unsigned>(kCells);
      Linger<<<1, 1, 0, busy>>>(word);
      CUDA_CALL(cudaGetLastError());
      const size_t row_bytes = kCells / 2 * sizeof(unsigned);
      if (rows) {
        CUDA_CALL(cudaMemcpy2D(device, row_bytes, cells.data(), row_bytes, row_bytes, 2,
                               cudaMemcpyHostToDevice));
      } else {
        CUDA_CALL(cudaMemcpy(device, cells.data(), 2 * row_bytes, cudaMemcpyHostToDevice));
      }
      const unsigned add = static_cast<unsigned>(random.Next());
      Launch(device, add, free_stream);
      StepOnHost(cells, add);
      CUDA_CALL(cudaStreamSynchronize(free_stream));
      verdict.ExpectEqual(apps::HostCopy(device, kCells), cells, "behind a synchronous copy");
    }
  }
  CUDA_CALL(cudaStreamDestroy(free_stream));
  CUDA_CALL(cudaFree(word));
  CUDA_CALL(cudaFree(device));
}

// A destroyed stream still does what it was given.
void CheckDestroyedStream(apps::Verdict& verdict, apps::SeededRandom& random) {
  cudaStream_t stream;
  cudaEvent_t done;
  CUDA_CALL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  CUDA_CALL(cudaEventCreate(&done));
  Cells cells = random.Integers<unsigned>(kCells);
  unsigned* device = apps::DeviceCopy(cells);
  Launch(device, 77, stream);
  StepOnHost(cells, 77);
  CUDA_CALL(cudaEventRecord(done, stream));
  CUDA_CALL(cudaStreamDestroy(stream));
  CUDA_CALL(cudaEventSynchronize(done));
  verdict.ExpectEqual(apps::HostCopy(device, kCells), cells, "the destroyed stream's work");
  CUDA_CALL(cudaEventDestroy(done));
  CUDA_CALL(cudaFree(device));
}

void CheckTimes(apps::Verdict& verdict) {
  cudaEvent_t start;
  cudaEvent_t stop;
  CUDA_CALL(cudaEventCreate(&start));
  CUDA_CALL(cudaEventCreateWithFlags(&stop, cudaEventBlockingSync));
  unsigned* device = apps::DeviceArray<unsigned>(kCells);
  CUDA_CALL(cudaMemset(device, 0, kCells * sizeof(unsigned)));
  CUDA_CALL(cudaEventRecord(start));
  Launch(device, 3, 0);
  CUDA_CALL(cudaEventRecord(stop));
  CUDA_CALL(cudaEventSynchronize(stop));
  float milliseconds = -1;
  CUDA_CALL(cudaEventElapsedTime(&milliseconds, start, stop));
  verdict.Expect(milliseconds >= 0, "time does not run backwards");
  verdict.Expect(milliseconds < 60000, "a small kernel does not take a minute");
  CUDA_CALL(cudaEventElapsedTime(&milliseconds, start, start));
  verdict.Expect(milliseconds == 0, "an event is no time away from itself");
  CUDA_CALL(cudaEventDestroy(start));
  CUDA_CALL(cudaEventDestroy(stop));
  CUDA_CALL(cudaFree(device));
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("streams_events", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CheckChain(verdict, random);
  CheckLegacyStream(verdict, random);
  CheckSynchronousCopies(verdict, random);
  CheckDestroyedStream(verdict, random);
  CheckTimes(verdict);
  CUDA_CALL(cudaDeviceSynchronize());
  CUDA_CALL(cudaStreamQuery(0));
  return verdict.Finish();
}
