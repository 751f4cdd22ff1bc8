// SPDX-License-Identifier: Apache-2.0
// y = a x + y with a grid-stride loop: the result must not depend on the shape of the grid.
#include <cmath>

#include "tests/apps/cuda_call.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

template <typename Real>
__global__ void Saxpy(Real a, const Real* x, Real* y, size_t count) {
  size_t stride = static_cast<size_t>(gridDim.x) * blockDim.x;
  for (size_t i = blockIdx.x * static_cast<size_t>(blockDim.x) + threadIdx.x; i < count;
       i += apps::kMutate ? stride + 1 : stride) {
    y[i] = fma(a, x[i], y[i]);
  }
}

// The same in two dimensions, so that y and z of both shapes count.
__global__ void SaxpyPlane(float a, const float* x, float* y, unsigned width, unsigned height) {
  for (unsigned row = blockIdx.y * blockDim.y + threadIdx.y; row < height;
       row += gridDim.y * blockDim.y) {
    for (unsigned column = blockIdx.x * blockDim.x + threadIdx.x; column < width;
         column += gridDim.x * blockDim.x) {
      unsigned i = row * width + column;
      y[i] = fma(a, x[i], y[i]);
    }
  }
}

namespace {

struct Shape {
  unsigned grid;
  unsigned block;
};

template <typename Real>
void CheckLine(apps::Verdict& verdict, apps::SeededRandom& random, const char* what) {
  const Shape shapes[] = {{1, 1}, {1, 33}, {3, 96}, {7, 256}, {40, 128}};
  for (const Shape& shape : shapes) {
    size_t count = random.Between(1, 9000);
    Real a = random.Real();
    std::vector<float> x_source = random.Reals(count);
    std::vector<float> y_source = random.Reals(count);
    std::vector<Real> x(x_source.begin(), x_source.end());
    std::vector<Real> y(y_source.begin(), y_source.end());
    std::vector<Real> wanted(count);
    for (size_t i = 0; i < count; ++i) {
      wanted[i] = std::fma(a, x[i], y[i]);
    }
    Real* device_x = apps::DeviceCopy(x);
    Real* device_y = apps::DeviceCopy(y);
    Saxpy<Real><<<shape.grid, shape.block>>>(a, device_x, device_y, count);
    CUDA_CALL(cudaGetLastError());
    verdict.ExpectEqual(apps::HostCopy(device_y, count), wanted, what);
    CUDA_CALL(cudaFree(device_x));
    CUDA_CALL(cudaFree(device_y));
  }
}

void CheckPlane(apps::Verdict& verdict, apps::SeededRandom& random) {
  unsigned width = static_cast<unsigned>(random.Between(1, 150));
  unsigned height = static_cast<unsigned>(random.Between(1, 90));
  size_t count = static_cast<size_t>(width) * height;
  float a = random.Real();
  std::vector<float> x = random.Reals(count);
  std::vector<float> y = random.Reals(count);
  std::vector<float> wanted(count);
  for (size_t i = 0; i < count; ++i) {
    wanted[i] = std::fma(a, x[i], y[i]);
  }
  float* device_x = apps::DeviceCopy(x);
  float* device_y = apps::DeviceCopy(y);
  SaxpyPlane<<<dim3(2, 3), dim3(17, 5)>>>(a, device_x, device_y, width, height);
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(apps::HostCopy(device_y, count), wanted, "the plane");
  CUDA_CALL(cudaFree(device_x));
  CUDA_CALL(cudaFree(device_y));
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("saxpy", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CheckLine<float>(verdict, random, "a line of floats");
  CheckLine<double>(verdict, random, "a line of doubles");
  CheckPlane(verdict, random);
  return verdict.Finish();
}
