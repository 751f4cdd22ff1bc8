// SPDX-License-Identifier: Apache-2.0
// How alike two volumes of random numbers are, the second three quarters of the first: what
// HeCBench's ssim computes, which goes over a volume block by block, with the same data in each.
//
//   structural_similarity WIDTH HEIGHT DEPTH
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

constexpr size_t kWindow = 7;
constexpr size_t kCrop = kWindow / 2;
constexpr std::array<size_t, 3> kBatch = {4096, 16, 16};
constexpr double kCells = kWindow * kWindow * kWindow;
using Size = std::array<size_t, 3>;

// Of the window whose first corner is `at`, in a grid of this size.
double Similarity(const std::vector<float>& first, const Size& grid, const Size& at) {
  double x = 0, y = 0, xx = 0, yy = 0, xy = 0;
  for (size_t cell = 0; cell < static_cast<size_t>(kCells); ++cell) {
    const size_t column = at[0] + cell % kWindow;
    const size_t row = at[1] + cell / kWindow % kWindow;
    const size_t plane = at[2] + cell / kWindow / kWindow;
    const float one = first[column + grid[0] * (row + grid[1] * plane)];
    const float other = one * 0.75f;
    x += one, y += other;
    xx += one * one, yy += other * other, xy += one * other;
  }
  x /= kCells, y /= kCells, xx /= kCells, yy /= kCells, xy /= kCells;
  const double sample = kCells / (kCells - 1);
  const double small = 0.01 * 0.01, large = 0.03 * 0.03;
  const double above = (2 * x * y + small) * (2 * sample * (xy - x * y) + large);
  const double below =
      (x * x + y * y + small) * (sample * (xx - x * x) + sample * (yy - y * y) + large);
  return above / below;
}

double BlockSum(const std::vector<float>& first, const Size& block) {
  const Size grid = {block[0] + kWindow - 1, block[1] + kWindow - 1, block[2] + kWindow - 1};
  double sum = 0;
  for (size_t i = 0; i < block[0] * block[1] * block[2]; ++i) {
    const Size at = {i % block[0], i / block[0] % block[1], i / block[0] / block[1]};
    sum += Similarity(first, grid, at);
  }
  return sum;
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) {
    return 1;
  }
  Size size{}, batch{};
  size_t cells = 1;
  for (size_t i = 0; i < 3; ++i) {
    size[i] = std::strtoul(words[i + 1], nullptr, 10);
    batch[i] = std::min(kBatch[i], size[i]);
    cells *= batch[i] + kWindow - 1;
  }
  std::srand(123);
  std::vector<float> first((cells + 255) / 256 * 256);
  for (float& value : first) {
    value = static_cast<float>(std::rand()) / static_cast<float>(RAND_MAX);
  }
  double sum = 0;
  for (size_t z = kCrop; z < size[2] - kCrop; z += batch[2]) {
    for (size_t y = kCrop; y < size[1] - kCrop; y += batch[1]) {
      const Size block = {std::min(batch[0], size[0] - 2 * kCrop),
                          std::min(batch[1], size[1] - kCrop - y),
                          std::min(batch[2], size[2] - kCrop - z)};
      sum += BlockSum(first, block);
    }
  }
  const double windows = static_cast<double>((size[0] - kWindow + 1) * (size[1] - kWindow + 1) *
                                             (size[2] - kWindow + 1));
  std::printf("Structural Similarity Index Measure: %f\n", sum / windows);
}
