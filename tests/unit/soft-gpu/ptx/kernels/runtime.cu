// SPDX-License-Identifier: Apache-2.0
// One kernel for each thing that nvcc writes differently: calls, tables, atomics, textures, printf
// …
#include <cstdio>

__device__ int table[3][4] = {{1, 2, 3, 4}, {5, 6}, {7}};
__constant__ float coefficients[5] = {1.0f, 2.0f};
__device__ const char* word = "hello";
__device__ int* inside = &table[1][2];
__device__ __managed__ int managed = 3;

__device__ int AddOne(int x) {
  return x + 1;
}

__device__ int Double(int x) {
  return x * 2;
}

__device__ int (*functions[2])(int) = {AddOne, Double};

struct Pack {
  char c;
  double d[3];
};

__device__ __noinline__ int Recursive(int n) {
  return n < 2 ? n : Recursive(n - 1) + Recursive(n - 2);
}

__global__ void Calls(int* x, Pack pack) {
  x[0] = functions[x[1] & 1](x[2]) + Recursive(x[3]) + static_cast<int>(pack.d[x[4]]);
  printf("%d %s %f\n", x[0], word, coefficients[x[5]]);
}

__global__ void __launch_bounds__(256, 2) Memory(float4* out, const float* __restrict__ in) {
  extern __shared__ float dynamic[];
  __shared__ double fixed[32];
  char local[100];
  local[threadIdx.x] = static_cast<char>(in[0]);
  dynamic[threadIdx.x] = in[threadIdx.x] + local[blockIdx.x % 100];
  fixed[threadIdx.x % 32] = sin(in[1]) + exp(in[2]) / sqrt(in[3]);
  __syncthreads();
  out[threadIdx.x] =
      make_float4(dynamic[0], static_cast<float>(fixed[1]), __expf(in[4]), tanhf(in[5]));
}

__global__ void Collectives(int* i, unsigned* u, unsigned long long* l, double* d) {
  atomicAdd(i, 1);
  atomicMin(l, 5ull);
  atomicCAS(u, 1u, 2u);
  atomicAdd(d, 1.0);
  *u = __ballot_sync(0xffffffffu, *i);
  *i += __shfl_xor_sync(0xffffffffu, *i, 3) + __syncthreads_count(*u) + __popc(*u) + __clz(*i);
  __threadfence();
}

__global__ void Branches(int* x, cudaTextureObject_t texture) {
  switch (x[0]) {
    case 0:
      x[1] = 5;
      break;
    case 1:
      x[2] = 6;
      break;
    case 2:
      x[3] = 7;
      break;
    case 3:
      x[9] = x[4] / x[5];
      break;
    case 4:
      x[8] = 9 % x[7];
      break;
    case 5:
      x[5] = static_cast<int>(tex2D<float4>(texture, 1.0f, 2.0f).x);
      break;
    default:
      asm volatile("{ .reg .pred p; setp.ne.s32 p, %1, 0; @!p bra L1; mov.u32 %0, 0x10U; L1: }"
                   : "=r"(x[1])
                   : "r"(x[2]));
      asm volatile("{ .reg .pred p; setp.ne.s32 p, %1, 0; @!p bra L1; mov.u32 %0, 0x20U; L1: }"
                   : "=r"(x[3])
                   : "r"(x[4]));
  }
}
