// SPDX-License-Identifier: Apache-2.0
// Constant and __device__ variables: initial values, written and read by name, and by address.
#include <algorithm>

#include "tests/apps/cuda_call.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kEntries = 256;

__constant__ unsigned table[kEntries];
__constant__ float factors[4] = {0.5f, -2.0f, 4.0f, 0.25f};
__device__ unsigned results[kEntries];
__device__ unsigned long long offset = 0x123456789abcdefull;
__device__ unsigned primes[8] = {2, 3, 5, 7, 11, 13, 17, 19};
__device__ short small_counter;
__device__ unsigned* place = results;

__global__ void LookUp(float* scaled) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < kEntries) {
    unsigned entry = table[apps::kMutate ? i : kEntries - 1 - i];
    place[i] = entry * primes[i % 8] + static_cast<unsigned>(offset >> (i % 32));
    scaled[i] = factors[i % 4] * static_cast<float>(i);
  }
  if (i == 0) {
    small_counter = static_cast<short>(small_counter + 3);
  }
}

__global__ void Increment(unsigned* values, unsigned count, unsigned by) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) {
    values[i] += by;
  }
}

namespace {

struct Wanted {
  std::vector<unsigned> results = std::vector<unsigned>(kEntries);
  std::vector<float> scaled = std::vector<float>(kEntries);
};

Wanted Compute(const std::vector<unsigned>& entries,
               const std::vector<unsigned>& prime_values,
               unsigned long long offset_value) {
  const float factor_values[4] = {0.5f, -2.0f, 4.0f, 0.25f};
  Wanted wanted;
  for (unsigned i = 0; i < kEntries; ++i) {
    wanted.results[i] = entries[kEntries - 1 - i] * prime_values[i % 8] +
                        static_cast<unsigned>(offset_value >> (i % 32));
    wanted.scaled[i] = factor_values[i % 4] * static_cast<float>(i);
  }
  return wanted;
}

void Check(apps::Verdict& verdict, const Wanted& wanted, float* device_scaled) {
  LookUp<<<3, 100>>>(device_scaled);
  CUDA_CALL(cudaGetLastError());
  std::vector<unsigned> given(kEntries);
  CUDA_CALL(cudaMemcpyFromSymbol(given.data(), results, sizeof(unsigned) * kEntries));
  verdict.ExpectEqual(given, wanted.results, "the looked-up entries");
  verdict.ExpectEqual(apps::HostCopy(device_scaled, kEntries), wanted.scaled, "the factors");
}

// Reads and writes `primes` through the address of the symbol.
void CheckAddress(apps::Verdict& verdict, std::vector<unsigned> prime_values) {
  void* address = nullptr;
  size_t size_bytes = 0;
  CUDA_CALL(cudaGetSymbolAddress(&address, primes));
  CUDA_CALL(cudaGetSymbolSize(&size_bytes, primes));
  verdict.Expect(size_bytes == sizeof primes, "the symbol has its declared size");
  unsigned* device_primes = static_cast<unsigned*>(address);
  verdict.ExpectEqual(apps::HostCopy(device_primes, 8), prime_values, "the symbol by address");
  Increment<<<1, 32>>>(device_primes, 8, 1000);
  CUDA_CALL(cudaGetLastError());
  for (unsigned& value : prime_values) {
    value += 1000;
  }
  std::vector<unsigned> given(8);
  CUDA_CALL(cudaMemcpyFromSymbol(given.data(), primes, sizeof primes));
  verdict.ExpectEqual(given, prime_values, "the symbol after a kernel wrote it by address");
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("symbols", argc, argv);
  apps::SeededRandom random(verdict.seed());
  float* device_scaled = apps::DeviceArray<float>(kEntries);

  // Initial values; the table without one is zero.
  std::vector<unsigned> entries(kEntries, 0);
  std::vector<unsigned> prime_values = {2, 3, 5, 7, 11, 13, 17, 19};
  Check(verdict, Compute(entries, prime_values, 0x123456789abcdefull), device_scaled);

  entries = random.Integers<unsigned>(kEntries);
  unsigned long long offset_value = random.Next();
  CUDA_CALL(cudaMemcpyToSymbol(table, entries.data(), sizeof table));
  CUDA_CALL(cudaMemcpyToSymbol(offset, &offset_value, sizeof offset_value));
  Check(verdict, Compute(entries, prime_values, offset_value), device_scaled);

  // A part of each, in a stream.
  std::vector<unsigned> part = random.Integers<unsigned>(5);
  std::copy(part.begin(), part.end(), entries.begin() + 77);
  prime_values[6] = part[0];
  cudaStream_t stream;
  CUDA_CALL(cudaStreamCreate(&stream));
  CUDA_CALL(cudaMemcpyToSymbolAsync(table, part.data(), 5 * sizeof(unsigned), 77 * sizeof(unsigned),
                                    cudaMemcpyHostToDevice, stream));
  CUDA_CALL(cudaMemcpyToSymbolAsync(primes, part.data(), sizeof(unsigned), 6 * sizeof(unsigned),
                                    cudaMemcpyHostToDevice, stream));
  CUDA_CALL(cudaStreamSynchronize(stream));
  CUDA_CALL(cudaStreamDestroy(stream));
  Check(verdict, Compute(entries, prime_values, offset_value), device_scaled);
  CheckAddress(verdict, prime_values);

  std::vector<short> counter(1);
  CUDA_CALL(cudaMemcpyFromSymbol(counter.data(), small_counter, sizeof(short)));
  verdict.ExpectEqual(counter, {9}, "the counter of three launches");
  CUDA_CALL(cudaFree(device_scaled));
  return verdict.Finish();
}
