// SPDX-License-Identifier: Apache-2.0
// Many small launches, then one wait: none may be lost, doubled or out of order.
#include "tests/apps/cuda_call.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kCells = 32;

__global__ void Turn(unsigned* cells, unsigned n) {
  unsigned value = cells[threadIdx.x] * 1664525u + n;
  cells[threadIdx.x] = apps::kMutate && n == 1 ? value + 1 : value;
}

int main(int argc, char** argv) {
  apps::Verdict verdict("launch_burst", argc, argv, 10000);
  apps::SeededRandom random(verdict.seed());
  std::vector<unsigned> cells = random.Integers<unsigned>(kCells);
  unsigned* device = apps::DeviceCopy(cells);
  for (uint64_t n = 0; n < verdict.count(); ++n) {
    Turn<<<1, kCells>>>(device, static_cast<unsigned>(n));
  }
  CUDA_CALL(cudaGetLastError());
  CUDA_CALL(cudaDeviceSynchronize());
  for (uint64_t n = 0; n < verdict.count(); ++n) {
    for (unsigned& cell : cells) {
      cell = cell * 1664525u + static_cast<unsigned>(n);
    }
  }
  verdict.ExpectEqual(apps::HostCopy(device, kCells), cells, "the cells after all launches");
  CUDA_CALL(cudaFree(device));
  return verdict.Finish();
}
