// SPDX-License-Identifier: Apache-2.0
// Kernels of the tests that a CUDA compiler turns into PTX, where there is one.
#include <cstdio>

extern "C" __global__ void saxpy(int n, float a, const float* x, float* y) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    y[i] = a * x[i] + y[i];
  }
}

extern "C" __global__ void mandelbrot(int* out, int width, int height, int steps_max) {
  const int px = blockIdx.x * blockDim.x + threadIdx.x;
  const int py = blockIdx.y * blockDim.y + threadIdx.y;
  if (px >= width || py >= height) {
    return;
  }
  const float cx = -2.0f + 3.0f * px / width;
  const float cy = -1.5f + 3.0f * py / height;
  float x = 0;
  float y = 0;
  int steps = 0;
  while (steps < steps_max && x * x + y * y < 4.0f) {
    const float next = x * x - y * y + cx;
    y = 2 * x * y + cy;
    x = next;
    ++steps;
  }
  out[py * width + px] = steps;
}

__device__ __constant__ unsigned mixers[4] = {0x9e3779b9u, 0x85ebca6bu, 0xc2b2ae35u, 0x27d4eb2fu};
__device__ unsigned long long total;

extern "C" __global__ void integerMix(const unsigned* in, unsigned* out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) {
    return;
  }
  unsigned v = in[i];
  unsigned table[8];
  for (int k = 0; k < 8; ++k) {
    table[k] = v * mixers[k & 3] + k;
  }
  for (int k = 0; k < 16; ++k) {
    v ^= table[v & 7] >> (k & 15);
    v = (v << 13) | (v >> 19);
    v += __popc(v) * __clz(v | 1) + v / (k + 3) + v % (k + 5);
    v ^= static_cast<unsigned>(__umulhi(v, mixers[k & 3]));
  }
  out[i] = v;
  atomicAdd(&total, static_cast<unsigned long long>(v));
}

extern "C" __global__ void transposeTile(const float* in, float* out, int width) {
  __shared__ float tile[16][17];
  int x = blockIdx.x * 16 + threadIdx.x;
  int y = blockIdx.y * 16 + threadIdx.y;
  tile[threadIdx.y][threadIdx.x] = in[y * width + x];
  __syncthreads();
  x = blockIdx.y * 16 + threadIdx.x;
  y = blockIdx.x * 16 + threadIdx.y;
  out[y * width + x] = tile[threadIdx.x][threadIdx.y];
}

extern "C" __global__ void reduceShared(const int* in, int* out, int n) {
  extern __shared__ int partial[];
  int sum = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    sum += in[i];
  }
  partial[threadIdx.x] = sum;
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) {
      partial[threadIdx.x] += partial[threadIdx.x + half];
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    atomicAdd(out, partial[0]);
  }
}

extern "C" __global__ void reduceWarp(const int* in, int* out, int n) {
  int sum = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    sum += in[i];
  }
  for (int offset = 16; offset > 0; offset /= 2) {
    sum += __shfl_down_sync(0xffffffffu, sum, offset);
  }
  if (threadIdx.x % 32 == 0) {
    atomicAdd(out, sum);
  }
}

extern "C" __global__ void votes(unsigned* out) {
  const unsigned lane = threadIdx.x % 32;
  out[threadIdx.x * 4 + 0] = __ballot_sync(0xffffffffu, lane % 3 == 0);
  out[threadIdx.x * 4 + 1] =
      __any_sync(0xffffffffu, lane == 7) * 2 + __all_sync(0xffffffffu, lane == 7);
  out[threadIdx.x * 4 + 2] = __match_any_sync(0xffffffffu, lane / 8);
  out[threadIdx.x * 4 + 3] = __syncthreads_count(lane < 5);
}

extern "C" __global__ void histogram(const unsigned char* in, unsigned* out, int n) {
  __shared__ unsigned bins[256];
  for (int i = threadIdx.x; i < 256; i += blockDim.x) {
    bins[i] = 0;
  }
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    atomicAdd(&bins[in[i]], 1u);
  }
  __syncthreads();
  for (int i = threadIdx.x; i < 256; i += blockDim.x) {
    atomicAdd(&out[i], bins[i]);
  }
}

extern "C" __global__ void underLock(int* lock, int* counter) {
  while (atomicCAS(lock, 0, 1) != 0) {
  }
  *reinterpret_cast<volatile int*>(counter) = *reinterpret_cast<volatile int*>(counter) + 1;
  __threadfence();
  atomicExch(lock, 0);
}

__device__ __noinline__ int fibonacci(int n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

extern "C" __global__ void callsItself(int* out) {
  out[threadIdx.x] = fibonacci(threadIdx.x);
}

extern "C" __global__ void functions(const float* in, float* out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    const float x = in[i];
    out[i] = expf(x) + sinf(x) * cosf(x) + logf(fabsf(x) + 1) + sqrtf(fabsf(x)) + powf(2.0f, x) +
             tanhf(x) + static_cast<float>(static_cast<double>(x) / 3.0);
  }
}
