// SPDX-License-Identifier: Apache-2.0
// Functions that call themselves and each other, with arrays on their stacks: every thread goes to
// another depth.
#include <algorithm>

#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kThreads = 64;
constexpr unsigned kBlocks = 6;
constexpr unsigned kCount = kThreads * kBlocks;

__host__ __device__ unsigned Ackermann(unsigned m, unsigned n) {
  if (m == 0) {
    return n + 1;
  }
  return Ackermann(m - 1, n == 0 ? 1 : Ackermann(m, n - 1));
}

// Hofstadter's two sequences need each other.
__host__ __device__ unsigned Male(unsigned n);

__host__ __device__ unsigned Female(unsigned n) {
  return n == 0 ? 1 : n - Male(Female(n - 1));
}

__host__ __device__ unsigned Male(unsigned n) {
  return n == 0 ? 0 : n - Female(Male(n - 1));
}

__device__ void QuickSort(unsigned* values, int low, int high) {
  if (low >= high) {
    return;
  }
  unsigned pivot = values[(low + high) / 2];
  int left = low;
  int right = high;
  while (left <= right) {
    while (values[left] < pivot) {
      ++left;
    }
    while (values[right] > pivot) {
      --right;
    }
    if (left <= right) {
      unsigned swap = values[left];
      values[left++] = values[right];
      values[right--] = swap;
    }
  }
  QuickSort(values, low, right);
  QuickSort(values, left, high);
}

// How many ways there are to place the queens of all rows from `row` on; `columns` are taken.
__host__ __device__ unsigned Queens(unsigned* columns, unsigned row, unsigned size) {
  if (row == size) {
    return 1;
  }
  unsigned ways = 0;
  for (unsigned column = 0; column < size; ++column) {
    bool free = true;
    for (unsigned i = 0; i < row && free; ++i) {
      unsigned other = columns[i];
      free = other != column && other + row != column + i && other + i != column + row;
    }
    if (free) {
      columns[row] = column;
      ways += Queens(columns, row + 1, size);
    }
  }
  return ways;
}

__global__ void Numbers(const unsigned* depths, unsigned* results) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned n = depths[i];
  results[3 * i] = Ackermann(2, n % 10);
  results[3 * i + 1] = Female(n % 24);
  unsigned columns[8] = {n % 6};
  results[3 * i + 2] = Queens(columns, 1, apps::kMutate ? 5 : 6);
}

// Each thread sorts a copy on its own stack.
__global__ void SortRuns(unsigned* values, unsigned length) {
  constexpr unsigned kMost = 48;
  unsigned own[kMost];
  unsigned* run = values + (blockIdx.x * blockDim.x + threadIdx.x) * length;
  for (unsigned i = 0; i < length; ++i) {
    own[i] = run[i];
  }
  QuickSort(own, 0, static_cast<int>(length) - 1);
  for (unsigned i = 0; i < length; ++i) {
    run[i] = own[i];
  }
}

namespace {

void CheckNumbers(apps::Verdict& verdict, apps::SeededRandom& random) {
  std::vector<unsigned> depths = random.Integers<unsigned>(kCount);
  std::vector<unsigned> wanted;
  for (unsigned n : depths) {
    unsigned columns[8] = {n % 6};
    wanted.push_back(Ackermann(2, n % 10));
    wanted.push_back(Female(n % 24));
    wanted.push_back(Queens(columns, 1, 6));
  }
  apps::DeviceBuffer<unsigned> device(depths);
  apps::DeviceBuffer<unsigned> results(3 * kCount);
  Numbers<<<kBlocks, kThreads>>>(device.get(), results.get());
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(results.Read(), wanted, "recursive numbers");
}

void CheckRuns(apps::Verdict& verdict, apps::SeededRandom& random) {
  unsigned length = static_cast<unsigned>(random.Between(20, 48));
  std::vector<unsigned> values = random.Integers<unsigned>(kCount * length);
  apps::DeviceBuffer<unsigned> device(values);
  SortRuns<<<kBlocks, kThreads>>>(device.get(), length);
  CUDA_CALL(cudaGetLastError());
  for (auto run = values.begin(); run != values.end(); run += length) {
    std::sort(run, run + length);
  }
  verdict.ExpectEqual(device.Read(), values, "runs sorted on the stack");
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("recursion", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CUDA_CALL(cudaDeviceSetLimit(cudaLimitStackSize, 16384));
  size_t stack_bytes = 0;
  CUDA_CALL(cudaDeviceGetLimit(&stack_bytes, cudaLimitStackSize));
  verdict.Expect(stack_bytes >= 16384, "the stack is as large as asked for");
  CheckNumbers(verdict, random);
  CheckRuns(verdict, random);
  return verdict.Finish();
}
