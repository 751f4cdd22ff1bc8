// SPDX-License-Identifier: Apache-2.0
// When a wave that starts in a corner of a cube reaches its cells, which let it pass at speeds of
// their own: what HeCBench's eikonal solves block by block, here by going over all cells until
// nothing changes.
//
//   eikonal SIZE
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

constexpr double kNever = 1e20;
constexpr double kPi = 3.141592653589793;

// The time at which the wave reaches each cell, as far as it is known.
// Thread: one.
class Cube {
 public:
  explicit Cube(size_t size) : size_(size), times_(size * size * size, kNever) { times_[0] = 0; }

  double At(size_t x, size_t y, size_t z) const { return times_[Index(x, y, z)]; }

  // Whether anything came earlier than it was thought to.
  bool Improve() {
    bool better = false;
    for (size_t i = 0; i < times_.size(); ++i) {
      const double time = Arrival(i % size_, i / size_ % size_, i / size_ / size_);
      better |= time < times_[i] - 1e-9;
      times_[i] = std::min(times_[i], time);
    }
    return better;
  }

 private:
  size_t Index(size_t x, size_t y, size_t z) const { return x + size_ * (y + size_ * z); }

  double Speed(size_t x, size_t y, size_t z) const {
    const auto wave = [this](size_t at) {
      return std::sin(static_cast<double>(at) * kPi / static_cast<double>(size_) * 2);
    };
    return 6 + 5 * wave(x) * wave(y) * wave(z);
  }

  // The earlier one of the two neighbours along each axis.
  std::array<double, 3> Neighbours(size_t x, size_t y, size_t z) const {
    const std::array<size_t, 3> at = {x, y, z};
    std::array<double, 3> earliest{};
    for (size_t axis = 0; axis < 3; ++axis) {
      std::array<size_t, 3> low = at, high = at;
      --low[axis], ++high[axis];
      const double before = at[axis] > 0 ? At(low[0], low[1], low[2]) : kNever;
      const double after = high[axis] < size_ ? At(high[0], high[1], high[2]) : kNever;
      earliest[axis] = std::min(before, after);
    }
    return earliest;
  }

  // Of the wave's front as one, two or three of the neighbours shape it.
  double Arrival(size_t x, size_t y, size_t z) const {
    std::array<double, 3> from = Neighbours(x, y, z);
    std::sort(from.begin(), from.end());
    const double step = 1 / Speed(x, y, z);
    double time = kNever, sum = 0, squares = 0;
    for (size_t many = 1; many <= 3 && from[many - 1] < std::min(time, kNever); ++many) {
      const double count = static_cast<double>(many);
      sum += from[many - 1];
      squares += from[many - 1] * from[many - 1];
      const double root = sum * sum - count * (squares - step * step);
      if (root < 0) {
        break;
      }
      time = (sum + std::sqrt(root)) / count;
    }
    return time;
  }

  size_t size_;
  std::vector<double> times_;
};

}  // namespace

int main(int count, char** words) {
  if (count != 2) {
    return 1;
  }
  const size_t size = std::strtoul(words[1], nullptr, 10);
  Cube cube(size);
  while (cube.Improve()) {
  }
  for (size_t z = 0; z < size; ++z) {
    for (size_t y = 0; y < size; ++y) {
      for (size_t x = 0; x < size; ++x) {
        std::printf("time %.8e\n", cube.At(x, y, z));
      }
    }
  }
}
