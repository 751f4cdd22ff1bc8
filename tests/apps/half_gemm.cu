// SPDX-License-Identifier: Apache-2.0
// Matrix products of 16-bit floats: summed in f32, and summed two columns at a time in half
// precision itself, one rounding for each multiplication and addition.
#include <cmath>
#include <cstring>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/small_float.h"
#include "tests/apps/verdict.h"

constexpr unsigned kTile = 16;

__device__ inline float ToFloat(__half value) {
  return __half2float(value);
}

__device__ inline float ToFloat(__nv_bfloat16 value) {
  return __bfloat162float(value);
}

// C = A B for square matrices whose size is a multiple of the tile's.
template <typename Small>
__global__ void MultiplyWide(const Small* a, const Small* b, float* c, unsigned size) {
  __shared__ Small tile_a[kTile][kTile];
  __shared__ Small tile_b[kTile][kTile];
  unsigned row = blockIdx.y * kTile + threadIdx.y;
  unsigned column = blockIdx.x * kTile + threadIdx.x;
  float sum = 0;
  for (unsigned first = 0; first < size; first += kTile) {
    tile_a[threadIdx.y][threadIdx.x] = a[row * size + first + threadIdx.x];
    tile_b[threadIdx.y][threadIdx.x] = b[(first + threadIdx.y) * size + column];
    __syncthreads();
    for (unsigned k = 0; k < kTile; ++k) {
      sum = fmaf(ToFloat(tile_a[threadIdx.y][k]), ToFloat(tile_b[k][threadIdx.x]), sum);
    }
    __syncthreads();
  }
  c[row * size + column] = sum;
}

// Every thread has two neighbouring columns.
__global__ void MultiplyNarrow(const __half* a, const __half2* b, __half2* c, unsigned size) {
  unsigned row = blockIdx.y * blockDim.y + threadIdx.y;
  unsigned pair = blockIdx.x * blockDim.x + threadIdx.x;
  __half2 sum = __float2half2_rn(0.0f);
  for (unsigned k = 0; k < size; ++k) {
    __half2 factor = __half2half2(a[row * size + k]);
    __half2 values = b[k * (size / 2) + pair];
    // The forms whose product and sum no compiler makes one operation again.
    sum =
        apps::kMutate ? __hadd2_rn(__hmul2_rn(factor, values), sum) : __hfma2(factor, values, sum);
  }
  c[row * (size / 2) + pair] = sum;
}

namespace {

// Values between -2 and 2, of all sizes down to 2^-8.
std::vector<uint16_t> SmallFloats(apps::SmallFormat format, apps::SeededRandom& random, size_t n) {
  std::vector<uint16_t> bits(n);
  for (uint16_t& value : bits) {
    value = apps::EncodeSmall(
        format, std::ldexp(random.Real(), 1 - static_cast<int>(random.Between(0, 8))));
  }
  return bits;
}

template <typename Small>
std::vector<Small> Reinterpret(const std::vector<uint16_t>& bits) {
  std::vector<Small> values(bits.size());
  std::memcpy(static_cast<void*>(values.data()), bits.data(), bits.size() * sizeof(uint16_t));
  return values;
}

template <typename Small>
void CheckWide(apps::Verdict& verdict,
               apps::SeededRandom& random,
               apps::SmallFormat format,
               const char* what) {
  unsigned size = static_cast<unsigned>(verdict.count() / kTile * kTile);
  std::vector<uint16_t> a = SmallFloats(format, random, static_cast<size_t>(size) * size);
  std::vector<uint16_t> b = SmallFloats(format, random, static_cast<size_t>(size) * size);
  std::vector<float> wanted(a.size());
  for (unsigned row = 0; row < size; ++row) {
    for (unsigned k = 0; k < size; ++k) {
      float factor = static_cast<float>(apps::DecodeSmall(format, a[row * size + k]));
      for (unsigned column = 0; column < size; ++column) {
        float value = static_cast<float>(apps::DecodeSmall(format, b[k * size + column]));
        wanted[row * size + column] = std::fma(factor, value, wanted[row * size + column]);
      }
    }
  }
  apps::DeviceBuffer<Small> device_a(Reinterpret<Small>(a));
  apps::DeviceBuffer<Small> device_b(Reinterpret<Small>(b));
  apps::DeviceBuffer<float> device_c(a.size());
  MultiplyWide<<<dim3(size / kTile, size / kTile), dim3(kTile, kTile)>>>(
      device_a.get(), device_b.get(), device_c.get(), size);
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(device_c.Read(), wanted, what);
}

void CheckNarrow(apps::Verdict& verdict, apps::SeededRandom& random) {
  unsigned size = static_cast<unsigned>(verdict.count() / kTile * kTile);
  std::vector<uint16_t> a = SmallFloats(apps::kHalf, random, static_cast<size_t>(size) * size);
  std::vector<uint16_t> b = SmallFloats(apps::kHalf, random, static_cast<size_t>(size) * size);
  std::vector<uint16_t> wanted(a.size());
  for (unsigned row = 0; row < size; ++row) {
    for (unsigned k = 0; k < size; ++k) {
      double factor = apps::DecodeSmall(apps::kHalf, a[row * size + k]);
      for (unsigned column = 0; column < size; ++column) {
        uint16_t& sum = wanted[row * size + column];
        double value = apps::DecodeSmall(apps::kHalf, b[k * size + column]);
        sum = apps::EncodeSmall(apps::kHalf, factor * value + apps::DecodeSmall(apps::kHalf, sum));
      }
    }
  }
  apps::DeviceBuffer<uint16_t> device_a(a);
  apps::DeviceBuffer<uint16_t> device_b(b);
  apps::DeviceBuffer<uint16_t> device_c(a.size());
  MultiplyNarrow<<<dim3(size / kTile, size / 8), dim3(kTile / 2, 8)>>>(
      reinterpret_cast<const __half*>(device_a.get()),
      reinterpret_cast<const __half2*>(device_b.get()), reinterpret_cast<__half2*>(device_c.get()),
      size);
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(device_c.Read(), wanted, "halves summed in halves");
}

}  // namespace

// COUNT is the matrices' size, rounded down to whole tiles.
int main(int argc, char** argv) {
  apps::Verdict verdict("half_gemm", argc, argv, 80);
  apps::SeededRandom random(verdict.seed());
  CheckWide<__half>(verdict, random, apps::kHalf, "halves summed in f32");
  CheckWide<__nv_bfloat16>(verdict, random, apps::kBrain, "bfloat16 summed in f32");
  CheckNarrow(verdict, random);
  return verdict.Finish();
}
