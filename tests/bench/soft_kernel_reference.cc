// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/soft_kernel_reference.h"

#include <cmath>
#include <cstring>

namespace farlane::bench {
namespace {

constexpr int kRow = 128;

}  // namespace

void AddVectors(const float* __restrict a, const float* __restrict b, float* __restrict c, int n) {
  for (int i = 0; i < n; ++i) {
    c[i] = a[i] + b[i];
  }
}

void Saxpy(const float* __restrict x, float* __restrict y, float alpha, int n) {
  for (int i = 0; i < n; ++i) {
    y[i] = alpha * x[i] + y[i];
  }
}

void Multiply(const float* __restrict a, const float* __restrict b, float* __restrict c, int n) {
  std::memset(c, 0, sizeof(float) * static_cast<size_t>(n) * static_cast<size_t>(n));
  for (int i = 0; i < n; ++i) {
    for (int k = 0; k < n; ++k) {
      const float factor = a[i * n + k];
      for (int j = 0; j < n; ++j) {
        c[i * n + j] += factor * b[k * n + j];
      }
    }
  }
}

float Sum(const float* x, int n) {
  float sum = 0;
  for (int i = 0; i < n; ++i) {
    sum += x[i];
  }
  return sum;
}

void Scan(const unsigned* x, unsigned* sums, int n) {
  unsigned sum = 0;
  for (int i = 0; i < n; ++i) {
    sum = (i % 1024 == 0 ? 0 : sum) + x[i];
    sums[i] = sum;
  }
}

void Softmax(const float* x, float* out, int rows) {
  for (int row = 0; row < rows; ++row) {
    const float* const values = x + row * kRow;
    float most = values[0];
    for (int i = 1; i < kRow; ++i) {
      most = std::fmax(most, values[i]);
    }
    float sum = 0;
    for (int i = 0; i < kRow; ++i) {
      out[row * kRow + i] = std::exp(values[i] - most);
      sum += out[row * kRow + i];
    }
    for (int i = 0; i < kRow; ++i) {
      out[row * kRow + i] /= sum;
    }
  }
}

void CountBins(const unsigned* x, unsigned* bins, int n) {
  for (int i = 0; i < n; ++i) {
    ++bins[x[i] & 255];
  }
}

void PullBodies(const float* __restrict bodies, float* __restrict pulls, int n) {
  for (int i = 0; i < n; ++i) {
    const float* const me = bodies + 4 * i;
    float pull[3] = {};
    for (int j = 0; j < n; ++j) {
      const float* const other = bodies + 4 * j;
      const float dx = other[0] - me[0];
      const float dy = other[1] - me[1];
      const float dz = other[2] - me[2];
      const float inverse = 1.0f / std::sqrt(dx * dx + dy * dy + dz * dz + 1e-3f);
      const float strength = other[3] * inverse * inverse * inverse;
      pull[0] += dx * strength;
      pull[1] += dy * strength;
      pull[2] += dz * strength;
    }
    std::memcpy(pulls + 4 * i, pull, sizeof(pull));
    pulls[4 * i + 3] = 0;
  }
}

namespace {

// How often the point can be mapped until it leaves the circle that none comes back to.
int StepsToEscape(float cx, float cy, int limit) {
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
  return count;
}

}  // namespace

void Mandelbrot(int* out, int width, int height, int limit) {
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const float cx = -2.0f + 3.0f * static_cast<float>(x) / static_cast<float>(width);
      const float cy = -1.5f + 3.0f * static_cast<float>(y) / static_cast<float>(height);
      out[y * width + x] = StepsToEscape(cx, cy, limit);
    }
  }
}

}  // namespace farlane::bench
