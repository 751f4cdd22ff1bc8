// SPDX-License-Identifier: Apache-2.0
// The kernels of soft_kernel_bench: from memory bound to bound by barriers, shuffles, shared
// atomics and arithmetic.

extern "C" __global__ void vector_add(const float* a, const float* b, float* c, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    c[i] = a[i] + b[i];
  }
}

extern "C" __global__ void saxpy(const float* x, float* y, float alpha, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    y[i] = alpha * x[i] + y[i];
  }
}

template <int kTile>
__device__ void MultiplyTiled(const float* a, const float* b, float* c, int n) {
  __shared__ float tile_a[kTile][kTile];
  __shared__ float tile_b[kTile][kTile];
  const int column = blockIdx.x * kTile + threadIdx.x;
  const int row = blockIdx.y * kTile + threadIdx.y;
  float sum = 0;
  for (int step = 0; step < n / kTile; ++step) {
    tile_a[threadIdx.y][threadIdx.x] = a[row * n + step * kTile + threadIdx.x];
    tile_b[threadIdx.y][threadIdx.x] = b[(step * kTile + threadIdx.y) * n + column];
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kTile; ++k) {
      sum += tile_a[threadIdx.y][k] * tile_b[k][threadIdx.x];
    }
    __syncthreads();
  }
  c[row * n + column] = sum;
}

extern "C" __global__ void multiply16(const float* a, const float* b, float* c, int n) {
  MultiplyTiled<16>(a, b, c, n);
}

extern "C" __global__ void multiply32(const float* a, const float* b, float* c, int n) {
  MultiplyTiled<32>(a, b, c, n);
}

__device__ float SumOfWarp(float value) {
  for (int distance = 16; distance > 0; distance /= 2) {
    value += __shfl_down_sync(0xffffffff, value, distance);
  }
  return value;
}

extern "C" __global__ void reduce(const float* x, float* out, int n) {
  __shared__ float sums[32];
  float sum = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    sum += x[i];
  }
  sum = SumOfWarp(sum);
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  if (lane == 0) {
    sums[warp] = sum;
  }
  __syncthreads();
  if (warp == 0) {
    sum = SumOfWarp(lane < blockDim.x / 32 ? sums[lane] : 0.0f);
    if (lane == 0) {
      atomicAdd(out, sum);
    }
  }
}

// Sums of all values up to each, within a block: a barrier after every step.
extern "C" __global__ void scan(const unsigned* x, unsigned* sums, int n) {
  __shared__ unsigned steps[2][1024];
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  int now = 0;
  steps[now][threadIdx.x] = i < n ? x[i] : 0;
  __syncthreads();
  for (int distance = 1; distance < blockDim.x; distance *= 2) {
    unsigned sum = steps[now][threadIdx.x];
    if (threadIdx.x >= distance) {
      sum += steps[now][threadIdx.x - distance];
    }
    now ^= 1;
    steps[now][threadIdx.x] = sum;
    __syncthreads();
  }
  if (i < n) {
    sums[i] = steps[now][threadIdx.x];
  }
}

// A warp for each row of 128 values: shuffles and little else.
extern "C" __global__ void softmax(const float* x, float* out, int rows) {
  const int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
  const int lane = threadIdx.x % 32;
  if (row >= rows) {
    return;
  }
  float values[4];
  float most = -1e30f;
  for (int k = 0; k < 4; ++k) {
    values[k] = x[row * 128 + k * 32 + lane];
    most = fmaxf(most, values[k]);
  }
  for (int distance = 16; distance > 0; distance /= 2) {
    most = fmaxf(most, __shfl_xor_sync(0xffffffff, most, distance));
  }
  float sum = 0;
  for (int k = 0; k < 4; ++k) {
    values[k] = __expf(values[k] - most);
    sum += values[k];
  }
  for (int distance = 16; distance > 0; distance /= 2) {
    sum += __shfl_xor_sync(0xffffffff, sum, distance);
  }
  for (int k = 0; k < 4; ++k) {
    out[row * 128 + k * 32 + lane] = values[k] / sum;
  }
}

extern "C" __global__ void histogram(const unsigned* x, unsigned* bins, int n) {
  __shared__ unsigned own[256];
  for (int bin = threadIdx.x; bin < 256; bin += blockDim.x) {
    own[bin] = 0;
  }
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    atomicAdd(&own[x[i] & 255], 1u);
  }
  __syncthreads();
  for (int bin = threadIdx.x; bin < 256; bin += blockDim.x) {
    atomicAdd(&bins[bin], own[bin]);
  }
}

extern "C" __global__ void n_body(const float4* bodies, float4* pulls, int n) {
  __shared__ float4 tile[128];
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const float4 me = bodies[i];
  float3 pull = {0, 0, 0};
  for (int start = 0; start < n; start += blockDim.x) {
    tile[threadIdx.x] = bodies[start + threadIdx.x];
    __syncthreads();
    for (int j = 0; j < blockDim.x; ++j) {
      const float4 other = tile[j];
      const float dx = other.x - me.x;
      const float dy = other.y - me.y;
      const float dz = other.z - me.z;
      const float inverse = rsqrtf(dx * dx + dy * dy + dz * dz + 1e-3f);
      const float strength = other.w * inverse * inverse * inverse;
      pull.x += dx * strength;
      pull.y += dy * strength;
      pull.z += dz * strength;
    }
    __syncthreads();
  }
  pulls[i] = make_float4(pull.x, pull.y, pull.z, 0);
}

extern "C" __global__ void mandelbrot(int* out, int width, int height, int limit) {
  const int x = blockIdx.x * blockDim.x + threadIdx.x;
  const int y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= width || y >= height) {
    return;
  }
  const float cx = -2.0f + 3.0f * x / width;
  const float cy = -1.5f + 3.0f * y / height;
  float zx = 0;
  float zy = 0;
  int count = 0;
  for (; count < limit; ++count) {
    const float xx = zx * zx;
    const float yy = zy * zy;
    if (xx + yy > 4.0f) {
      break;
    }
    zy = 2 * zx * zy + cy;
    zx = xx - yy + cx;
  }
  out[y * width + x] = count;
}
