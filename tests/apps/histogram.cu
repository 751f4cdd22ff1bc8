// SPDX-License-Identifier: Apache-2.0
// How often each value occurs, counted three ways: by atomics in global memory, in a shared table
// of each block, and by one lane for all lanes of its warp that have the same value.
#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kBins = 256;
constexpr unsigned kThreads = 192;
constexpr unsigned kBlocks = 9;

__global__ void CountGlobal(const unsigned char* values, unsigned count, unsigned* bins) {
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
    atomicAdd(&bins[values[i]], 1);
  }
}

__global__ void CountShared(const unsigned char* values, unsigned count, unsigned* bins) {
  __shared__ unsigned own[kBins];
  for (unsigned bin = threadIdx.x; bin < kBins; bin += blockDim.x) {
    own[bin] = 0;
  }
  __syncthreads();
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
    atomicAdd(&own[values[i]], 1);
  }
  __syncthreads();
  for (unsigned bin = threadIdx.x; bin < kBins; bin += blockDim.x) {
    atomicAdd(&bins[bin], apps::kMutate && bin == 17 ? 0 : own[bin]);
  }
}

__global__ void CountMatched(const unsigned char* values, unsigned count, unsigned* bins) {
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
    // Not all lanes of the last warp get here.
    unsigned here = __activemask();
    unsigned same = __match_any_sync(here, static_cast<unsigned>(values[i]));
    if (threadIdx.x % 32 == static_cast<unsigned>(__ffs(static_cast<int>(same))) - 1) {
      atomicAdd(&bins[values[i]], static_cast<unsigned>(__popc(same)));
    }
  }
}

namespace {

using Kernel = void (*)(const unsigned char*, unsigned, unsigned*);

void Check(apps::Verdict& verdict,
           const std::vector<unsigned char>& values,
           Kernel kernel,
           const char* what) {
  std::vector<unsigned> wanted(kBins);
  for (unsigned char value : values) {
    ++wanted[value];
  }
  apps::DeviceBuffer<unsigned char> device(values);
  apps::DeviceBuffer<unsigned> bins(kBins);
  bins.Fill(0);
  kernel<<<kBlocks, kThreads>>>(device.get(), static_cast<unsigned>(values.size()), bins.get());
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(bins.Read(), wanted, what);
}

// Few values are frequent, as in most real data.
std::vector<unsigned char> SkewedValues(apps::SeededRandom& random, size_t count) {
  std::vector<unsigned char> values(count);
  for (unsigned char& value : values) {
    uint64_t bits = random.Next();
    value = static_cast<unsigned char>(bits & (bits >> 8) & (bits >> 16));
  }
  return values;
}

}  // namespace

// COUNT is how many values are counted.
int main(int argc, char** argv) {
  apps::Verdict verdict("histogram", argc, argv, 100000);
  apps::SeededRandom random(verdict.seed());
  size_t count = random.Between(verdict.count() / 2, verdict.count());
  std::vector<unsigned char> even = random.Integers<unsigned char>(count);
  std::vector<unsigned char> skewed = SkewedValues(random, count);
  Check(verdict, even, CountGlobal, "even values in global memory");
  Check(verdict, skewed, CountGlobal, "skewed values in global memory");
  Check(verdict, even, CountShared, "even values in shared memory");
  Check(verdict, skewed, CountShared, "skewed values in shared memory");
  Check(verdict, even, CountMatched, "even values by matching lanes");
  Check(verdict, skewed, CountMatched, "skewed values by matching lanes");
  return verdict.Finish();
}
