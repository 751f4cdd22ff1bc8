// SPDX-License-Identifier: Apache-2.0
// Stream-ordered allocation: memory of a stream's past used again in its future while the work in
// between is still under way, pools with limits and counters, and mistakes.
#include "tests/apps/cuda_call.h"
#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

namespace {

constexpr unsigned kCells = 50000;
constexpr unsigned kRounds = 40;

__global__ void Fill(unsigned* cells, unsigned seed) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < kCells) {
    cells[i] = seed * 2654435761u + i;
  }
}

// Adds what Fill left, and wipes it: whoever gets the memory next must not find it.
__global__ void Drain(unsigned* cells, unsigned* sums) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < kCells) {
    sums[i] += apps::kMutate ? cells[i] ^ 1 : cells[i];
    cells[i] = 0xdeadbeef;
  }
}

// Two streams, each with memory of its own per round; frees are queued, not waited for.
void CheckReuse(apps::Verdict& verdict, unsigned seed) {
  cudaStream_t streams[2];
  unsigned* sums[2];
  for (int s = 0; s < 2; ++s) {
    CUDA_CALL(cudaStreamCreateWithFlags(&streams[s], cudaStreamNonBlocking));
    CUDA_CALL(cudaMallocAsync(&sums[s], kCells * sizeof(unsigned), streams[s]));
    CUDA_CALL(cudaMemsetAsync(sums[s], 0, kCells * sizeof(unsigned), streams[s]));
  }
  for (unsigned round = 0; round < kRounds; ++round) {
    for (unsigned s = 0; s < 2; ++s) {
      unsigned* cells = nullptr;
      CUDA_CALL(cudaMallocAsync(&cells, kCells * sizeof(unsigned), streams[s]));
      Fill<<<(kCells + 255) / 256, 256, 0, streams[s]>>>(cells, seed + round * 2 + s);
      Drain<<<(kCells + 255) / 256, 256, 0, streams[s]>>>(cells, sums[s]);
      CUDA_CALL(cudaFreeAsync(cells, streams[s]));
    }
  }
  for (unsigned s = 0; s < 2; ++s) {
    std::vector<unsigned> wanted(kCells);
    for (unsigned round = 0; round < kRounds; ++round) {
      for (unsigned i = 0; i < kCells; ++i) {
        wanted[i] += (seed + round * 2 + s) * 2654435761u + i;
      }
    }
    CUDA_CALL(cudaStreamSynchronize(streams[s]));
    verdict.ExpectEqual(apps::HostCopy(sums[s], kCells), wanted, "what went through used memory");
    CUDA_CALL(cudaFreeAsync(sums[s], streams[s]));
    CUDA_CALL(cudaStreamDestroy(streams[s]));
  }
}

// What one stream allocates another one may use and free, once an event has told it.
void CheckHandOver(apps::Verdict& verdict, unsigned seed) {
  cudaStream_t streams[2];
  cudaEvent_t filled;
  CUDA_CALL(cudaStreamCreate(&streams[0]));
  CUDA_CALL(cudaStreamCreate(&streams[1]));
  CUDA_CALL(cudaEventCreate(&filled));
  unsigned* cells = nullptr;
  unsigned* sums = apps::DeviceArray<unsigned>(kCells);
  CUDA_CALL(cudaMemset(sums, 0, kCells * sizeof(unsigned)));
  CUDA_CALL(cudaMallocAsync(&cells, kCells * sizeof(unsigned), streams[0]));
  Fill<<<(kCells + 255) / 256, 256, 0, streams[0]>>>(cells, seed);
  CUDA_CALL(cudaEventRecord(filled, streams[0]));
  CUDA_CALL(cudaStreamWaitEvent(streams[1], filled, 0));
  Drain<<<(kCells + 255) / 256, 256, 0, streams[1]>>>(cells, sums);
  CUDA_CALL(cudaFreeAsync(cells, streams[1]));
  CUDA_CALL(cudaDeviceSynchronize());
  std::vector<unsigned> wanted(kCells);
  for (unsigned i = 0; i < kCells; ++i) {
    wanted[i] = seed * 2654435761u + i;
  }
  verdict.ExpectEqual(apps::HostCopy(sums, kCells), wanted, "what another stream freed");
  CUDA_CALL(cudaFree(sums));
  CUDA_CALL(cudaEventDestroy(filled));
  CUDA_CALL(cudaStreamDestroy(streams[0]));
  CUDA_CALL(cudaStreamDestroy(streams[1]));
}

unsigned long long Used(cudaMemPool_t pool, cudaMemPoolAttr attribute) {
  unsigned long long bytes = 0;
  CUDA_CALL(cudaMemPoolGetAttribute(pool, attribute, &bytes));
  return bytes;
}

void CheckPool(apps::Verdict& verdict) {
  cudaMemPoolProps properties{};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location.type = cudaMemLocationTypeDevice;
  cudaMemPool_t pool;
  cudaMemPool_t standard;
  cudaMemPool_t current;
  CUDA_CALL(cudaMemPoolCreate(&pool, &properties));
  CUDA_CALL(cudaDeviceGetDefaultMemPool(&standard, 0));
  CUDA_CALL(cudaDeviceGetMemPool(&current, 0));
  verdict.Expect(current == standard && pool != standard, "a device begins with its default pool");
  CUDA_CALL(cudaDeviceSetMemPool(0, pool));
  CUDA_CALL(cudaDeviceGetMemPool(&current, 0));
  verdict.Expect(current == pool, "the pool that was set");
  unsigned long long threshold = 1 << 20;
  CUDA_CALL(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold));
  verdict.Expect(Used(pool, cudaMemPoolAttrReleaseThreshold) == threshold, "the threshold");

  void* from_current = nullptr;
  void* from_named = nullptr;
  CUDA_CALL(cudaMallocAsync(&from_current, 1 << 20, nullptr));
  CUDA_CALL(cudaMallocFromPoolAsync(&from_named, 3 << 20, pool, nullptr));
  verdict.Expect(Used(pool, cudaMemPoolAttrUsedMemCurrent) == 4 << 20, "what a pool has given");
  verdict.Expect(Used(pool, cudaMemPoolAttrReservedMemCurrent) >= 4 << 20, "what a pool holds");
  CUDA_CALL(cudaFreeAsync(from_named, nullptr));
  CUDA_CALL(cudaFreeAsync(from_current, nullptr));
  CUDA_CALL(cudaDeviceSynchronize());
  verdict.Expect(Used(pool, cudaMemPoolAttrUsedMemCurrent) == 0, "what an empty pool has given");
  verdict.Expect(Used(pool, cudaMemPoolAttrUsedMemHigh) == 4 << 20, "what it gave at most");
  CUDA_CALL(cudaMemPoolTrimTo(pool, 0));

  // Memory of a pool can be freed at once, and memory of no pool in stream order.
  CUDA_CALL(cudaMallocAsync(&from_current, 1 << 20, nullptr));
  CUDA_CALL(cudaDeviceSynchronize());
  verdict.ExpectCode(cudaFree(from_current), cudaSuccess, "memory of a pool freed at once");
  void* plain = nullptr;
  CUDA_CALL(cudaMalloc(&plain, 1000));
  verdict.ExpectCode(cudaFreeAsync(plain, nullptr), cudaSuccess, "a plain allocation freed so");
  CUDA_CALL(cudaDeviceSetMemPool(0, standard));
  CUDA_CALL(cudaMemPoolDestroy(pool));
}

// Which memory may be given out again, and when: all is allowed at first, and each is kept as it is
// set.
void CheckReuseRules(apps::Verdict& verdict) {
  cudaMemPoolProps properties{};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location.type = cudaMemLocationTypeDevice;
  cudaMemPool_t pool;
  CUDA_CALL(cudaMemPoolCreate(&pool, &properties));
  const cudaMemPoolAttr kinds[] = {cudaMemPoolReuseFollowEventDependencies,
                                   cudaMemPoolReuseAllowOpportunistic,
                                   cudaMemPoolReuseAllowInternalDependencies};
  for (const cudaMemPoolAttr kind : kinds) {
    for (int wanted : {1, 0, 1}) {
      int told = -1;
      CUDA_CALL(cudaMemPoolGetAttribute(pool, kind, &told));
      verdict.Expect(told == 1 || wanted == 1, "reuse is allowed unless it was forbidden");
      CUDA_CALL(cudaMemPoolSetAttribute(pool, kind, &wanted));
      CUDA_CALL(cudaMemPoolGetAttribute(pool, kind, &told));
      verdict.Expect(told == wanted, "reuse is what it was set to");
    }
  }
  unsigned long long invented = 1;
  verdict.ExpectCode(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrUsedMemHigh, &invented),
                     cudaErrorInvalidValue, "a high mark that is invented");
  cudaGetLastError();
  CUDA_CALL(cudaMemPoolDestroy(pool));
}

void CheckMistakes(apps::Verdict& verdict) {
  void* memory = nullptr;
  verdict.ExpectCode(cudaMallocAsync(&memory, size_t{1} << 50, nullptr), cudaErrorMemoryAllocation,
                     "a petabyte");
  CUDA_CALL(cudaMallocAsync(&memory, 4096, nullptr));
  verdict.ExpectCode(cudaFreeAsync(static_cast<char*>(memory) + 16, nullptr), cudaErrorInvalidValue,
                     "a free in the middle");
  CUDA_CALL(cudaFreeAsync(memory, nullptr));
  CUDA_CALL(cudaDeviceSynchronize());
  cudaGetLastError();
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("memory_pools", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CheckReuse(verdict, static_cast<unsigned>(random.Between(1, 1 << 20)));
  CheckHandOver(verdict, static_cast<unsigned>(random.Between(1, 1 << 20)));
  CheckPool(verdict);
  CheckReuseRules(verdict);
  CheckMistakes(verdict);
  return verdict.Finish();
}
