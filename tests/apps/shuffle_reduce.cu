// SPDX-License-Identifier: Apache-2.0
// Sums, maxima and running sums by shuffles inside warps, in all four directions of a shuffle and
// for values of four and eight bytes.
#include <algorithm>

#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kWhole = 0xffffffff;
constexpr unsigned kThreads = 256;

template <typename Integer>
__device__ Integer SumOfBlock(Integer value) {
  __shared__ Integer warps[32];
  for (unsigned distance = 16; distance > 0; distance /= 2) {
    value += __shfl_down_sync(kWhole, value, distance);
  }
  unsigned warp = threadIdx.x / 32;
  unsigned lane = threadIdx.x % 32;
  if (lane == 0) {
    warps[warp] = value;
  }
  __syncthreads();
  value = lane < blockDim.x / 32 ? warps[lane] : Integer(0);
  if (warp == 0) {
    for (unsigned distance = 16; distance > 0; distance /= 2) {
      value += __shfl_down_sync(kWhole, value, distance);
    }
  }
  return value;
}

template <typename Integer>
__global__ void Sum(const Integer* values, size_t count, Integer* sum) {
  Integer mine = 0;
  size_t stride = static_cast<size_t>(gridDim.x) * blockDim.x;
  for (size_t i = blockIdx.x * static_cast<size_t>(blockDim.x) + threadIdx.x; i < count;
       i += stride) {
    mine += values[i];
  }
  Integer whole = SumOfBlock(mine);
  if (threadIdx.x == 0) {
    atomicAdd(sum, apps::kMutate && blockIdx.x == 1 ? whole + 1 : whole);
  }
}

// Every lane gets the greatest value of its warp, by exchange with the opposite lane.
__global__ void MaximumOfWarps(const int* values, int* maxima) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  int value = values[i];
  for (unsigned mask = 1; mask < 32; mask *= 2) {
    value = max(value, __shfl_xor_sync(kWhole, value, mask));
  }
  maxima[i] = value;
}

// Running sums inside of groups of eight lanes; `width` must keep the groups apart.
__global__ void RunningSums(const unsigned* values, unsigned* sums) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned value = values[i];
  for (unsigned distance = 1; distance < 8; distance *= 2) {
    unsigned below = __shfl_up_sync(kWhole, value, distance, 8);
    value += threadIdx.x % 8 >= distance ? below : 0;
  }
  sums[i] = value;
}

// Each lane takes the value of the lane that another lane's value names.
__global__ void Follow(const unsigned* values, double* taken) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned next = __shfl_sync(kWhole, values[i], static_cast<int>(31 - threadIdx.x % 32));
  taken[i] = __shfl_sync(kWhole, static_cast<double>(values[i]) * 0.5, static_cast<int>(next % 32));
}

namespace {

template <typename Integer>
void CheckSum(apps::Verdict& verdict, apps::SeededRandom& random, const char* what) {
  size_t count = random.Between(verdict.count() / 2, verdict.count());
  std::vector<Integer> values = random.Integers<Integer>(count);
  std::vector<Integer> wanted(1);
  for (Integer value : values) {
    wanted[0] += value;
  }
  apps::DeviceBuffer<Integer> device(values);
  apps::DeviceBuffer<Integer> sum(1);
  sum.Fill(0);
  Sum<<<7, kThreads>>>(device.get(), count, sum.get());
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(sum.Read(), wanted, what);
}

void CheckMaxima(apps::Verdict& verdict, apps::SeededRandom& random) {
  std::vector<unsigned> bits = random.Integers<unsigned>(4 * kThreads);
  std::vector<int> values(bits.begin(), bits.end());
  std::vector<int> wanted(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    auto first = values.begin() + static_cast<long>(i / 32 * 32);
    wanted[i] = *std::max_element(first, first + 32);
  }
  apps::DeviceBuffer<int> device(values);
  apps::DeviceBuffer<int> maxima(values.size());
  MaximumOfWarps<<<4, kThreads>>>(device.get(), maxima.get());
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(maxima.Read(), wanted, "the maxima of the warps");
}

void CheckLanes(apps::Verdict& verdict, apps::SeededRandom& random) {
  std::vector<unsigned> values = random.Integers<unsigned>(4 * kThreads);
  std::vector<unsigned> sums = values;
  std::vector<double> taken(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    sums[i] += i % 8 == 0 ? 0 : sums[i - 1];
    size_t warp = i / 32 * 32;
    unsigned next = values[warp + 31 - i % 32];
    taken[i] = values[warp + next % 32] * 0.5;
  }
  apps::DeviceBuffer<unsigned> device(values);
  apps::DeviceBuffer<unsigned> device_sums(values.size());
  apps::DeviceBuffer<double> device_taken(values.size());
  RunningSums<<<4, kThreads>>>(device.get(), device_sums.get());
  CUDA_CALL(cudaGetLastError());
  Follow<<<4, kThreads>>>(device.get(), device_taken.get());
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(device_sums.Read(), sums, "running sums of eight lanes");
  verdict.ExpectEqual(device_taken.Read(), taken, "values by the lane's number");
}

}  // namespace

// COUNT is how many numbers are summed.
int main(int argc, char** argv) {
  apps::Verdict verdict("shuffle_reduce", argc, argv, 100000);
  apps::SeededRandom random(verdict.seed());
  CheckSum<unsigned>(verdict, random, "the sum of 32-bit numbers");
  CheckSum<unsigned long long>(verdict, random, "the sum of 64-bit numbers");
  CheckMaxima(verdict, random);
  CheckLanes(verdict, random);
  return verdict.Finish();
}
