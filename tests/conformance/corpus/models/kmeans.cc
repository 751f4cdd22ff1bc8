// SPDX-License-Identifier: Apache-2.0
// The centres of groups of points, found by turns: each point goes to the centre next to it, each
// centre to the middle of its points, until none moves. It starts from the first points, as
// HeCBench's kmeans does, and prints the centres as that prints them.
//
//   kmeans FILE GROUPS
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

using Point = std::vector<double>;

std::vector<Point> Read(const char* path) {
  std::vector<Point> points;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    Point point;
    for (double value = 0; words >> value;) {
      point.push_back(value);
    }
    points.push_back(point);
  }
  return points;
}

size_t Nearest(const Point& point, const std::vector<Point>& centres) {
  size_t nearest = 0;
  double least = -1;
  for (size_t i = 0; i < centres.size(); ++i) {
    double distance = 0;
    for (size_t j = 0; j < point.size(); ++j) {
      distance += (point[j] - centres[i][j]) * (point[j] - centres[i][j]);
    }
    if (least < 0 || distance < least) {
      least = distance;
      nearest = i;
    }
  }
  return nearest;
}

void Centre(const std::vector<Point>& points,
            const std::vector<size_t>& groups,
            std::vector<Point>* centres) {
  for (size_t i = 0; i < centres->size(); ++i) {
    Point sum(points[0].size(), 0);
    double many = 0;
    for (size_t p = 0; p < points.size(); ++p) {
      for (size_t j = 0; groups[p] == i && j < sum.size(); ++j) {
        sum[j] += points[p][j];
      }
      many += groups[p] == i;
    }
    for (size_t j = 0; many > 0 && j < sum.size(); ++j) {
      (*centres)[i][j] = sum[j] / many;
    }
  }
}

}  // namespace

int main(int count, char** words) {
  if (count != 3) {
    return 1;
  }
  const std::vector<Point> points = Read(words[1]);
  const size_t many = std::strtoul(words[2], nullptr, 10);
  std::vector<Point> centres(points.begin(), points.begin() + static_cast<ptrdiff_t>(many));
  std::vector<size_t> groups(points.size(), many);
  for (bool moved = true; moved;) {
    moved = false;
    for (size_t i = 0; i < points.size(); ++i) {
      const size_t nearest = Nearest(points[i], centres);
      moved |= nearest != groups[i];
      groups[i] = nearest;
    }
    Centre(points, groups, &centres);
  }
  for (size_t i = 0; i < many; ++i) {
    std::printf("%zu:", i);
    for (const double value : centres[i]) {
      std::printf(" %.2f", value);
    }
    std::printf("\n\n");
  }
}
