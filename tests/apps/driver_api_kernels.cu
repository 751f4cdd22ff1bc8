// SPDX-License-Identifier: Apache-2.0
// The kernels that driver_api loads as PTX, by their plain names.
#include "tests/apps/verdict.h"

extern "C" {

__device__ unsigned bias[4];

__global__ void Affine(const unsigned* in, unsigned* out, unsigned factor, unsigned count) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) {
    out[i] = in[i] * factor + bias[apps::kMutate ? 0 : i % 4];
  }
}

// Parameters with holes between them: a buffer of them must keep the offsets.
__global__ void Place(char a, double b, short c, unsigned long long* out) {
  out[0] = static_cast<unsigned long long>(a);
  out[1] = static_cast<unsigned long long>(b * 1024.0);
  out[2] = static_cast<unsigned long long>(c);
}
}
