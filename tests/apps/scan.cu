// SPDX-License-Identifier: Apache-2.0
// Prefix sums of a long array in three launches: sums of blocks, the sums' own prefix sums, and
// each block once more with what lies before it. Two ways of scanning inside of a block.
#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kThreads = 256;
constexpr unsigned kPerBlock = 2 * kThreads;

// Up the tree and down again. Exclusive; returns the sum of all.
template <typename Integer>
__device__ Integer ScanTree(Integer* values) {
  unsigned distance = 1;
  for (unsigned active = kThreads; active > 0; active /= 2) {
    __syncthreads();
    if (threadIdx.x < active) {
      unsigned low = distance * (2 * threadIdx.x + 1) - 1;
      values[low + distance] += values[low];
    }
    distance *= 2;
  }
  __syncthreads();
  Integer whole = values[kPerBlock - 1];
  __syncthreads();
  if (threadIdx.x == 0) {
    values[kPerBlock - 1] = 0;
  }
  for (unsigned active = 1; active <= kThreads; active *= 2) {
    distance /= 2;
    __syncthreads();
    if (threadIdx.x < active) {
      unsigned low = distance * (2 * threadIdx.x + 1) - 1;
      Integer left = values[low];
      values[low] = values[low + distance];
      values[low + distance] += left;
    }
  }
  __syncthreads();
  return whole;
}

template <typename Integer>
__global__ void ScanBlocks(const Integer* in, Integer* out, Integer* sums, size_t count) {
  __shared__ Integer values[kPerBlock];
  size_t first = blockIdx.x * static_cast<size_t>(kPerBlock);
  for (unsigned i = threadIdx.x; i < kPerBlock; i += kThreads) {
    values[i] = first + i < count ? in[first + i] : Integer(0);
  }
  Integer whole = ScanTree(values);
  for (unsigned i = threadIdx.x; i < kPerBlock; i += kThreads) {
    if (first + i < count) {
      out[first + i] = values[i];
    }
  }
  if (threadIdx.x == 0) {
    sums[blockIdx.x] = whole;
  }
}

// One block; every thread walks over as many sums as there are rounds.
template <typename Integer>
__global__ void ScanSums(Integer* sums, unsigned count) {
  __shared__ Integer buffer[2][kThreads];
  Integer before = 0;
  for (unsigned first = 0; first < count; first += kThreads) {
    unsigned i = first + threadIdx.x;
    Integer own = i < count ? sums[i] : Integer(0);
    unsigned side = 0;
    buffer[side][threadIdx.x] = own;
    __syncthreads();
    for (unsigned distance = 1; distance < kThreads; distance *= 2) {
      Integer sum = buffer[side][threadIdx.x];
      if (threadIdx.x >= distance) {
        sum += buffer[side][threadIdx.x - distance];
      }
      side = 1 - side;
      buffer[side][threadIdx.x] = sum;
      __syncthreads();
    }
    if (i < count) {
      sums[i] = before + buffer[side][threadIdx.x] - own;
    }
    before += buffer[side][kThreads - 1];
    __syncthreads();
  }
}

template <typename Integer>
__global__ void AddSums(Integer* out, const Integer* sums, size_t count) {
  size_t i = blockIdx.x * static_cast<size_t>(kPerBlock) + threadIdx.x;
  Integer before = sums[apps::kMutate && blockIdx.x == 2 ? 1 : blockIdx.x];
  for (unsigned round = 0; round < 2; ++round, i += kThreads) {
    if (i < count) {
      out[i] += before;
    }
  }
}

namespace {

template <typename Integer>
void Check(apps::Verdict& verdict, apps::SeededRandom& random, const char* what) {
  size_t count = random.Between(verdict.count() / 2, verdict.count());
  std::vector<Integer> values = random.Integers<Integer>(count);
  std::vector<Integer> wanted(count);
  for (size_t i = 1; i < count; ++i) {
    wanted[i] = wanted[i - 1] + values[i - 1];
  }
  unsigned blocks = static_cast<unsigned>((count + kPerBlock - 1) / kPerBlock);
  apps::DeviceBuffer<Integer> in(values);
  apps::DeviceBuffer<Integer> out(count);
  apps::DeviceBuffer<Integer> sums(blocks);
  ScanBlocks<<<blocks, kThreads>>>(in.get(), out.get(), sums.get(), count);
  CUDA_CALL(cudaGetLastError());
  ScanSums<<<1, kThreads>>>(sums.get(), blocks);
  CUDA_CALL(cudaGetLastError());
  AddSums<<<blocks, kThreads>>>(out.get(), sums.get(), count);
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(out.Read(), wanted, what);
}

}  // namespace

// COUNT is how many numbers are scanned.
int main(int argc, char** argv) {
  apps::Verdict verdict("scan", argc, argv, 200000);
  apps::SeededRandom random(verdict.seed());
  Check<unsigned>(verdict, random, "prefix sums of 32-bit numbers");
  Check<unsigned long long>(verdict, random, "prefix sums of 64-bit numbers");
  return verdict.Finish();
}
