// SPDX-License-Identifier: Apache-2.0
// The smallest whole CUDA program: two vectors in, their sum out.
#include "tests/apps/cuda_call.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

__global__ void VectorAdd(const float* a, const float* b, float* sum, int count) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) {
    sum[i] = apps::kMutate ? a[i] - b[i] : a[i] + b[i];
  }
}

int main(int argc, char** argv) {
  apps::Verdict verdict("vector_add", argc, argv);
  apps::SeededRandom random(verdict.seed());
  int count = static_cast<int>(random.Between(10000, 30000));
  std::vector<float> a = random.Reals(count);
  std::vector<float> b = random.Reals(count);
  std::vector<float> wanted(count);
  for (int i = 0; i < count; ++i) {
    wanted[i] = a[i] + b[i];
  }

  float* device_a = apps::DeviceCopy(a);
  float* device_b = apps::DeviceCopy(b);
  float* device_sum = apps::DeviceArray<float>(count);
  int threads = 256;
  VectorAdd<<<(count + threads - 1) / threads, threads>>>(device_a, device_b, device_sum, count);
  CUDA_CALL(cudaGetLastError());
  CUDA_CALL(cudaDeviceSynchronize());
  verdict.ExpectEqual(apps::HostCopy(device_sum, count), wanted, "the sum");

  CUDA_CALL(cudaFree(device_a));
  CUDA_CALL(cudaFree(device_b));
  CUDA_CALL(cudaFree(device_sum));
  return verdict.Finish();
}
