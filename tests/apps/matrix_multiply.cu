// SPDX-License-Identifier: Apache-2.0
// C = A B with square tiles in shared memory. The edges of the matrices do not fall on the tiles',
// and the products are summed in the order of k, so that the CPU's sums have the same bits.
#include <cmath>

#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

struct Sizes {
  unsigned rows;
  unsigned inner;
  unsigned columns;
};

template <typename Real, unsigned kTile>
__global__ void MultiplyTiled(const Real* a, const Real* b, Real* c, Sizes sizes) {
  __shared__ Real tile_a[kTile][kTile];
  __shared__ Real tile_b[kTile][kTile];
  unsigned row = blockIdx.y * kTile + threadIdx.y;
  unsigned column = blockIdx.x * kTile + threadIdx.x;
  Real sum = 0;
  for (unsigned first = 0; first < sizes.inner; first += kTile) {
    unsigned k_a = first + threadIdx.x;
    unsigned k_b = first + threadIdx.y;
    bool in_a = row < sizes.rows && k_a < sizes.inner;
    bool in_b = k_b < sizes.inner && column < sizes.columns;
    tile_a[threadIdx.y][threadIdx.x] = in_a ? a[row * sizes.inner + k_a] : Real(0);
    tile_b[threadIdx.y][threadIdx.x] = in_b ? b[k_b * sizes.columns + column] : Real(0);
    __syncthreads();
    for (unsigned k = 0; k < (apps::kMutate ? kTile - 1 : kTile); ++k) {
      sum = fma(tile_a[threadIdx.y][k], tile_b[k][threadIdx.x], sum);
    }
    __syncthreads();
  }
  if (row < sizes.rows && column < sizes.columns) {
    c[row * sizes.columns + column] = sum;
  }
}

namespace {

template <typename Real>
std::vector<Real> MultiplyOnHost(const std::vector<Real>& a,
                                 const std::vector<Real>& b,
                                 const Sizes& sizes) {
  std::vector<Real> c(static_cast<size_t>(sizes.rows) * sizes.columns);
  for (unsigned row = 0; row < sizes.rows; ++row) {
    for (unsigned k = 0; k < sizes.inner; ++k) {
      Real factor = a[row * sizes.inner + k];
      for (unsigned column = 0; column < sizes.columns; ++column) {
        Real& sum = c[row * sizes.columns + column];
        sum = std::fma(factor, b[k * sizes.columns + column], sum);
      }
    }
  }
  return c;
}

template <typename Real, unsigned kTile>
void Check(apps::Verdict& verdict, apps::SeededRandom& random, const char* what) {
  unsigned size = static_cast<unsigned>(verdict.count());
  Sizes sizes = {static_cast<unsigned>(random.Between(size / 2, size)),
                 static_cast<unsigned>(random.Between(size / 2, size)),
                 static_cast<unsigned>(random.Between(size / 2, size))};
  std::vector<float> a_source = random.Reals(static_cast<size_t>(sizes.rows) * sizes.inner);
  std::vector<float> b_source = random.Reals(static_cast<size_t>(sizes.inner) * sizes.columns);
  std::vector<Real> a(a_source.begin(), a_source.end());
  std::vector<Real> b(b_source.begin(), b_source.end());
  apps::DeviceBuffer<Real> device_a(a);
  apps::DeviceBuffer<Real> device_b(b);
  apps::DeviceBuffer<Real> device_c(static_cast<size_t>(sizes.rows) * sizes.columns);
  dim3 grid((sizes.columns + kTile - 1) / kTile, (sizes.rows + kTile - 1) / kTile);
  MultiplyTiled<Real, kTile>
      <<<grid, dim3(kTile, kTile)>>>(device_a.get(), device_b.get(), device_c.get(), sizes);
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(device_c.Read(), MultiplyOnHost(a, b, sizes), what);
}

}  // namespace

// COUNT is the greatest height and width of a matrix.
int main(int argc, char** argv) {
  apps::Verdict verdict("matrix_multiply", argc, argv, 120);
  apps::SeededRandom random(verdict.seed());
  Check<float, 16>(verdict, random, "floats in tiles of 16");
  Check<float, 32>(verdict, random, "floats in tiles of 32");
  Check<double, 8>(verdict, random, "doubles in tiles of 8");
  return verdict.Finish();
}
