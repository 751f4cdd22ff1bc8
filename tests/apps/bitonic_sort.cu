// SPDX-License-Identifier: Apache-2.0
// A bitonic sorting network: distances inside of a block in shared memory, greater ones in one
// launch each. Keys with values, and floats of all sizes.
#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kThreads = 128;
constexpr unsigned kPerBlock = 2 * kThreads;

struct Pair {
  unsigned key;
  unsigned value;
};

__host__ __device__ inline bool Less(const Pair& a, const Pair& b) {
  return a.key != b.key ? a.key < b.key : a.value < b.value;
}

__host__ __device__ inline bool Less(float a, float b) {
  return a < b;
}

template <typename T>
__device__ void OrderTwo(T& low, T& high, bool ascending) {
  if (Less(high, low) == ascending) {
    T swap = low;
    low = high;
    high = swap;
  }
}

// All steps of the network with runs of 2 to kPerBlock.
template <typename T>
__global__ void SortBlocks(T* values) {
  __shared__ T own[kPerBlock];
  unsigned base = blockIdx.x * kPerBlock;
  for (unsigned i = threadIdx.x; i < kPerBlock; i += kThreads) {
    own[i] = values[base + i];
  }
  for (unsigned run = 2; run <= kPerBlock; run *= 2) {
    for (unsigned distance = run / 2; distance > 0; distance /= 2) {
      __syncthreads();
      unsigned low = 2 * threadIdx.x - (threadIdx.x & (distance - 1));
      bool ascending = ((base + low) & run) == 0;
      OrderTwo(own[low], own[low + distance], apps::kMutate && run == 8 ? true : ascending);
    }
  }
  __syncthreads();
  for (unsigned i = threadIdx.x; i < kPerBlock; i += kThreads) {
    values[base + i] = own[i];
  }
}

template <typename T>
__global__ void Step(T* values, unsigned run, unsigned distance) {
  unsigned i = blockIdx.x * kThreads + threadIdx.x;
  unsigned low = 2 * i - (i & (distance - 1));
  OrderTwo(values[low], values[low + distance], (low & run) == 0);
}

namespace {

template <typename T>
void SortOnDevice(T* values, unsigned count) {
  unsigned blocks = count / kPerBlock;
  SortBlocks<<<blocks, kThreads>>>(values);
  CUDA_CALL(cudaGetLastError());
  for (unsigned run = 2 * kPerBlock; run <= count; run *= 2) {
    for (unsigned distance = run / 2; distance > 0; distance /= 2) {
      Step<<<blocks, kThreads>>>(values, run, distance);
      CUDA_CALL(cudaGetLastError());
    }
  }
}

template <typename T>
void Check(apps::Verdict& verdict, std::vector<T> values, const char* what) {
  apps::DeviceBuffer<T> device(values);
  SortOnDevice(device.get(), static_cast<unsigned>(values.size()));
  std::sort(values.begin(), values.end(), [](const T& a, const T& b) { return Less(a, b); });
  verdict.ExpectEqual(device.Read(), values, what);
}

std::vector<float> Floats(apps::SeededRandom& random, unsigned count) {
  std::vector<float> values = random.Reals(count);
  for (unsigned i = 0; i < count; ++i) {
    values[i] = std::ldexp(values[i], static_cast<int>(random.Between(0, 60)) - 30);
  }
  values[1] = std::numeric_limits<float>::infinity();
  values[count - 1] = -std::numeric_limits<float>::infinity();
  values[count / 2] = std::numeric_limits<float>::denorm_min();
  return values;
}

}  // namespace

// COUNT is how many elements are sorted, rounded down to a power of two.
int main(int argc, char** argv) {
  apps::Verdict verdict("bitonic_sort", argc, argv, 16384);
  apps::SeededRandom random(verdict.seed());
  unsigned count = kPerBlock;
  while (count * 2 <= verdict.count()) {
    count *= 2;
  }
  std::vector<Pair> pairs(count);
  for (unsigned i = 0; i < count; ++i) {
    // Many keys are equal: then the values decide.
    pairs[i] = {static_cast<unsigned>(random.Between(0, count / 2)), i};
  }
  Check(verdict, pairs, "pairs of key and value");
  Check(verdict, Floats(random, count), "floats");
  return verdict.Finish();
}
