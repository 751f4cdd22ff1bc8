// SPDX-License-Identifier: Apache-2.0
// Atomics of 64 bits, and of floats, in global and shared memory: every operation in which the
// order of threads makes no difference to the result, and those where it does by their invariant.
#include <algorithm>

#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

using Word = unsigned long long;

constexpr unsigned kThreads = 128;
constexpr unsigned kBlocks = 8;
constexpr unsigned kCells = 9;

// What is in the cells before; the operation of each follows from its place.
const Word kStart[kCells] = {5, 0, ~0ull, 1ull << 63, (1ull << 63) - 1, ~0ull, 0, 0, 0};

__device__ void Apply(Word* cells, Word value) {
  atomicAdd(&cells[0], apps::kMutate ? value + 1 : value);
  atomicMax(&cells[1], value);
  atomicMin(&cells[2], value);
  atomicMax(reinterpret_cast<long long*>(&cells[3]), static_cast<long long>(value));
  atomicMin(reinterpret_cast<long long*>(&cells[4]), static_cast<long long>(value));
  atomicAnd(&cells[5], value | 0xff00ff00ff00ff00ull);
  atomicOr(&cells[6], value & 0x0f0f0f0f00000000ull);
  atomicXor(&cells[7], value);
  // A product modulo 2^64 by compare-and-swap.
  Word seen = cells[8];
  Word expected = 0;
  do {
    expected = seen;
    seen = atomicCAS(&cells[8], expected, (2 * expected + 1) * (2 * value + 1) / 2);
  } while (seen != expected);
}

__global__ void ApplyGlobal(const Word* values, Word* cells) {
  Apply(cells, values[blockIdx.x * blockDim.x + threadIdx.x]);
}

// In shared memory; every block has its own cells.
__global__ void ApplyShared(const Word* values, Word* cells) {
  __shared__ Word own[kCells];
  if (threadIdx.x < kCells) {
    own[threadIdx.x] = cells[blockIdx.x * kCells + threadIdx.x];
  }
  __syncthreads();
  Apply(own, values[blockIdx.x * blockDim.x + threadIdx.x]);
  __syncthreads();
  if (threadIdx.x < kCells) {
    cells[blockIdx.x * kCells + threadIdx.x] = own[threadIdx.x];
  }
}

// Whole numbers, so that every order of additions gives the same.
__global__ void AddFloats(const Word* values, float* floats, double* doubles) {
  __shared__ double own;
  if (threadIdx.x == 0) {
    own = 0;
  }
  __syncthreads();
  Word value = values[blockIdx.x * blockDim.x + threadIdx.x];
  atomicAdd(floats, static_cast<float>(value % 1000));
  atomicAdd_system(&doubles[0], static_cast<double>(value >> 24));
  atomicAdd_block(&own, static_cast<double>(value >> 30));
  __syncthreads();
  if (threadIdx.x == 0) {
    atomicAdd(&doubles[1], own);
  }
}

// Whoever takes the word leaves its own: in the end each value was taken by exactly one thread.
__global__ void Exchange(const Word* values, Word* cell, Word* taken) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  taken[i] = atomicExch(cell, values[i]);
}

namespace {

std::vector<Word> ApplyOnHost(const Word* values, size_t count) {
  std::vector<Word> cells(kStart, kStart + kCells);
  for (size_t i = 0; i < count; ++i) {
    Word value = values[i];
    long long with_sign = static_cast<long long>(value);
    cells[0] += value;
    cells[1] = std::max(cells[1], value);
    cells[2] = std::min(cells[2], value);
    cells[3] = static_cast<Word>(std::max(static_cast<long long>(cells[3]), with_sign));
    cells[4] = static_cast<Word>(std::min(static_cast<long long>(cells[4]), with_sign));
    cells[5] &= value | 0xff00ff00ff00ff00ull;
    cells[6] |= value & 0x0f0f0f0f00000000ull;
    cells[7] ^= value;
    // (2a + 1)(2b + 1) / 2 modulo 2^63, which does not depend on the order.
    cells[8] = (2 * cells[8] + 1) * (2 * value + 1) / 2;
  }
  return cells;
}

void CheckApply(apps::Verdict& verdict, const std::vector<Word>& values) {
  apps::DeviceBuffer<Word> device(values);
  apps::DeviceBuffer<Word> cells(std::vector<Word>(kStart, kStart + kCells));
  ApplyGlobal<<<kBlocks, kThreads>>>(device.get(), cells.get());
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(cells.Read(), ApplyOnHost(values.data(), values.size()),
                      "64-bit atomics in global memory");
  std::vector<Word> start;
  std::vector<Word> wanted;
  for (unsigned block = 0; block < kBlocks; ++block) {
    start.insert(start.end(), kStart, kStart + kCells);
    std::vector<Word> own = ApplyOnHost(&values[block * kThreads], kThreads);
    wanted.insert(wanted.end(), own.begin(), own.end());
  }
  apps::DeviceBuffer<Word> own(start);
  ApplyShared<<<kBlocks, kThreads>>>(device.get(), own.get());
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(own.Read(), wanted, "64-bit atomics in shared memory");
}

void CheckFloats(apps::Verdict& verdict, const std::vector<Word>& values) {
  apps::DeviceBuffer<Word> device(values);
  apps::DeviceBuffer<float> floats(1);
  apps::DeviceBuffer<double> doubles(2);
  floats.Fill(0);
  doubles.Fill(0);
  AddFloats<<<kBlocks, kThreads>>>(device.get(), floats.get(), doubles.get());
  CUDA_CALL(cudaGetLastError());
  std::vector<float> wanted_floats(1);
  std::vector<double> wanted_doubles(2);
  for (Word value : values) {
    wanted_floats[0] += static_cast<float>(value % 1000);
    wanted_doubles[0] += static_cast<double>(value >> 24);
    wanted_doubles[1] += static_cast<double>(value >> 30);
  }
  verdict.ExpectEqual(floats.Read(), wanted_floats, "atomic sums of floats");
  verdict.ExpectEqual(doubles.Read(), wanted_doubles, "atomic sums of doubles");
}

void CheckExchange(apps::Verdict& verdict, const std::vector<Word>& values) {
  apps::DeviceBuffer<Word> device(values);
  apps::DeviceBuffer<Word> cell(std::vector<Word>{42});
  apps::DeviceBuffer<Word> taken(values.size());
  Exchange<<<kBlocks, kThreads>>>(device.get(), cell.get(), taken.get());
  CUDA_CALL(cudaGetLastError());
  std::vector<Word> given = taken.Read();
  given.push_back(cell.Read()[0]);
  std::vector<Word> wanted = values;
  wanted.push_back(42);
  std::sort(given.begin(), given.end());
  std::sort(wanted.begin(), wanted.end());
  verdict.ExpectEqual(given, wanted, "words that change hands");
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("wide_atomics", argc, argv);
  apps::SeededRandom random(verdict.seed());
  std::vector<Word> values = random.Integers<Word>(kBlocks * kThreads);
  CheckApply(verdict, values);
  CheckFloats(verdict, values);
  CheckExchange(verdict, values);
  return verdict.Finish();
}
