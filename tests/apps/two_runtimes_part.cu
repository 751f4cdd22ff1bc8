// SPDX-License-Identifier: Apache-2.0
// The library of two_runtimes.cu, linked with the shared runtime.
#include "tests/apps/two_runtimes.h"

namespace {

__device__ unsigned bias = apps::kPartBias;

__global__ void Step(unsigned* cells, unsigned count) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) {
    cells[i] = cells[i] * 5 + bias;
  }
}

void* Registrar() {
  return reinterpret_cast<void*>(&cudaDeviceReset);
}

int Launch(unsigned* cells, unsigned count, cudaStream_t stream) {
  Step<<<(count + 127) / 128, 128, 0, stream>>>(cells, count);
  return cudaGetLastError();
}

int LaunchBehind(unsigned* cells, unsigned count, cudaEvent_t event) {
  cudaStream_t stream = nullptr;
  int result = cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  result = result != cudaSuccess ? result : cudaStreamWaitEvent(stream, event, 0);
  result = result != cudaSuccess ? result : Launch(cells, count, stream);
  return result != cudaSuccess ? result : cudaStreamDestroy(stream);
}

int Synchronize() {
  return cudaDeviceSynchronize();
}

int ReadBias(unsigned* read) {
  return cudaMemcpyFromSymbol(read, bias, sizeof *read);
}

int Allocate(unsigned** cells, unsigned count) {
  return cudaMalloc(cells, count * sizeof **cells);
}

int Free(unsigned* cells) {
  return cudaFree(cells);
}

int Fail() {
  return cudaSetDevice(1 << 20);
}

int LastError() {
  return cudaGetLastError();
}

}  // namespace

extern "C" const apps::Part two_runtimes_part = {
    Registrar, Launch, LaunchBehind, Synchronize, ReadBias, Allocate, Free, Fail, LastError};
