// SPDX-License-Identifier: Apache-2.0
// Shared memory whose size the launch decides: cut into arrays of several types by the kernel,
// beside arrays of fixed size, up to more than a block has without asking, and fresh names for the
// same bytes.
#include <cstring>

#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kThreads = 64;
constexpr unsigned kBlocks = 4;

// Doubles, then 32-bit numbers, then bytes, `count` each, behind an array of fixed size.
__global__ void Mixed(const unsigned* values, unsigned count, double* sums) {
  __shared__ unsigned short fixed[kThreads];
  extern __shared__ double memory[];
  double* doubles = memory;
  unsigned* words = reinterpret_cast<unsigned*>(doubles + count);
  unsigned char* bytes = reinterpret_cast<unsigned char*>(words + count);
  const unsigned* own = values + blockIdx.x * count;
  for (unsigned i = threadIdx.x; i < count; i += kThreads) {
    doubles[i] = own[i] * 0.25;
    words[i] = ~own[i];
    bytes[i] = static_cast<unsigned char>(own[i] >> 8);
  }
  fixed[threadIdx.x] = static_cast<unsigned short>(threadIdx.x * 1000);
  __syncthreads();
  // Every thread reads what others wrote, from the end.
  double sum = fixed[kThreads - 1 - threadIdx.x];
  for (unsigned i = threadIdx.x; i < count; i += kThreads) {
    unsigned k = count - 1 - i;
    sum += doubles[k] + words[k] + (apps::kMutate ? 0 : bytes[k]);
  }
  sums[blockIdx.x * kThreads + threadIdx.x] = sum;
}

// The same bytes under two names and types.
extern __shared__ unsigned shared_words[];
extern __shared__ unsigned char shared_bytes[];

__global__ void TwoNames(const unsigned* values, unsigned* results, unsigned* sizes) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  shared_words[threadIdx.x] = values[i];
  __syncthreads();
  unsigned result = 0;
  for (unsigned k = 0; k < 4; ++k) {
    result = result << 8 | shared_bytes[4 * (kThreads - 1 - threadIdx.x) + k];
  }
  results[i] = result;
  if (i == 0) {
    asm("mov.u32 %0, %%dynamic_smem_size;" : "=r"(sizes[0]));
  }
}

namespace {

void CheckMixed(apps::Verdict& verdict, apps::SeededRandom& random, unsigned count) {
  std::vector<unsigned> values = random.Integers<unsigned>(kBlocks * count);
  std::vector<double> wanted;
  for (unsigned block = 0; block < kBlocks; ++block) {
    for (unsigned thread = 0; thread < kThreads; ++thread) {
      double sum = (kThreads - 1 - thread) * 1000;
      for (unsigned i = thread; i < count; i += kThreads) {
        unsigned value = values[block * count + count - 1 - i];
        sum += value * 0.25 + ~value + static_cast<unsigned char>(value >> 8);
      }
      wanted.push_back(sum);
    }
  }
  size_t bytes = count * (sizeof(double) + sizeof(unsigned) + 1);
  CUDA_CALL(cudaFuncSetAttribute(Mixed, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(bytes)));
  apps::DeviceBuffer<unsigned> device(values);
  apps::DeviceBuffer<double> sums(kBlocks * kThreads);
  Mixed<<<kBlocks, kThreads, bytes>>>(device.get(), count, sums.get());
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(sums.Read(), wanted, std::to_string(bytes) + " bytes of three types");
}

void CheckTwoNames(apps::Verdict& verdict, apps::SeededRandom& random) {
  std::vector<unsigned> values = random.Integers<unsigned>(kBlocks * kThreads);
  std::vector<unsigned> wanted(values.size());
  for (unsigned i = 0; i < values.size(); ++i) {
    unsigned value = values[i / kThreads * kThreads + kThreads - 1 - i % kThreads];
    wanted[i] = __builtin_bswap32(value);
  }
  apps::DeviceBuffer<unsigned> device(values);
  apps::DeviceBuffer<unsigned> results(values.size());
  apps::DeviceBuffer<unsigned> sizes(1);
  TwoNames<<<kBlocks, kThreads, 4 * kThreads>>>(device.get(), results.get(), sizes.get());
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(results.Read(), wanted, "bytes under another name");
  verdict.ExpectEqual(sizes.Read(), std::vector<unsigned>{4 * kThreads}, "the size of the launch");
}

// More than 48 KiB must be asked for, and more than the device has is refused.
void CheckLimits(apps::Verdict& verdict) {
  int most = 0;
  CUDA_CALL(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
  apps::DeviceBuffer<unsigned> memory(1);
  TwoNames<<<1, 1, 60000>>>(memory.get(), memory.get(), memory.get());
  verdict.ExpectCode(cudaGetLastError(), cudaErrorInvalidValue, "shared memory not asked for");
  verdict.ExpectCode(
      cudaFuncSetAttribute(TwoNames, cudaFuncAttributeMaxDynamicSharedMemorySize, most + 1),
      cudaErrorInvalidValue, "more shared memory than there is");
  verdict.ExpectCode(cudaGetLastError(), cudaErrorInvalidValue, "the error of asking");
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("dynamic_shared", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CheckMixed(verdict, random, static_cast<unsigned>(random.Between(1, 1000)));
  CheckMixed(verdict, random, static_cast<unsigned>(random.Between(4000, 7000)));
  CheckTwoNames(verdict, random);
  CheckLimits(verdict);
  return verdict.Finish();
}
