// SPDX-License-Identifier: Apache-2.0
// Conway's game of life on a torus: each block keeps its tile and the cells around it in shared
// memory. The size is no multiple of the tile's. A lonely glider shows that cells move as they
// must.
#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr int kTile = 16;
constexpr int kHalo = kTile + 2;

__global__ void Generation(const unsigned char* before,
                           unsigned char* after,
                           int width,
                           int height) {
  __shared__ unsigned char cells[kHalo][kHalo];
  int left = static_cast<int>(blockIdx.x) * kTile;
  int top = static_cast<int>(blockIdx.y) * kTile;
  int thread = static_cast<int>(threadIdx.y * kTile + threadIdx.x);
  for (int i = thread; i < kHalo * kHalo; i += kTile * kTile) {
    int x = (left + i % kHalo - 1 + width) % width;
    int y = (top + i / kHalo - 1 + height) % height;
    cells[i / kHalo][i % kHalo] = before[y * width + x];
  }
  __syncthreads();
  int x = left + static_cast<int>(threadIdx.x);
  int y = top + static_cast<int>(threadIdx.y);
  if (x >= width || y >= height) {
    return;
  }
  int neighbours = 0;
  for (int dy = 0; dy < 3; ++dy) {
    for (int dx = 0; dx < 3; ++dx) {
      neighbours += dx == 1 && dy == 1 ? 0 : cells[threadIdx.y + dy][threadIdx.x + dx];
    }
  }
  bool alive = cells[threadIdx.y + 1][threadIdx.x + 1] != 0;
  bool survives = alive && (neighbours == 2 || (apps::kMutate && neighbours == 4));
  after[y * width + x] = neighbours == 3 || survives ? 1 : 0;
}

namespace {

using Cells = std::vector<unsigned char>;

Cells RunOnDevice(const Cells& start, int width, int height, uint64_t generations) {
  apps::DeviceBuffer<unsigned char> first(start);
  apps::DeviceBuffer<unsigned char> second(start.size());
  unsigned char* before = first.get();
  unsigned char* after = second.get();
  dim3 grid(static_cast<unsigned>((width + kTile - 1) / kTile),
            static_cast<unsigned>((height + kTile - 1) / kTile));
  for (uint64_t i = 0; i < generations; ++i) {
    Generation<<<grid, dim3(kTile, kTile)>>>(before, after, width, height);
    CUDA_CALL(cudaGetLastError());
    std::swap(before, after);
  }
  return apps::HostCopy(before, start.size());
}

Cells GenerationOnHost(const Cells& before, int width, int height) {
  Cells after(before.size());
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      int sum = 0;
      for (int i = 0; i < 9; ++i) {
        int column = (x + i % 3 - 1 + width) % width;
        int row = (y + i / 3 - 1 + height) % height;
        sum += before[row * width + column];
      }
      // `sum` counts the cell itself.
      after[y * width + x] = sum == 3 || (sum == 4 && before[y * width + x] != 0) ? 1 : 0;
    }
  }
  return after;
}

void CheckRandom(apps::Verdict& verdict, apps::SeededRandom& random) {
  int width = static_cast<int>(random.Between(kHalo, 130));
  int height = static_cast<int>(random.Between(kHalo, 130));
  Cells cells(static_cast<size_t>(width) * height);
  for (unsigned char& cell : cells) {
    cell = random.Between(0, 2) == 0 ? 1 : 0;
  }
  Cells given = RunOnDevice(cells, width, height, verdict.count());
  for (uint64_t i = 0; i < verdict.count(); ++i) {
    cells = GenerationOnHost(cells, width, height);
  }
  verdict.ExpectEqual(given, cells, "the random cells");
}

// A glider is where it was, one cell further down and right, after four generations.
void CheckGlider(apps::Verdict& verdict) {
  constexpr int kWidth = 40;
  constexpr int kHeight = 24;
  constexpr int kSteps = 30;
  const int glider[][2] = {{1, 0}, {2, 1}, {0, 2}, {1, 2}, {2, 2}};
  Cells start(kWidth * kHeight);
  Cells wanted(kWidth * kHeight);
  for (const int(&cell)[2] : glider) {
    start[cell[1] * kWidth + cell[0]] = 1;
    wanted[(cell[1] + kSteps) % kHeight * kWidth + (cell[0] + kSteps) % kWidth] = 1;
  }
  verdict.ExpectEqual(RunOnDevice(start, kWidth, kHeight, 4 * kSteps), wanted, "the glider");
}

}  // namespace

// COUNT is the number of generations.
int main(int argc, char** argv) {
  apps::Verdict verdict("game_of_life", argc, argv, 40);
  apps::SeededRandom random(verdict.seed());
  CheckRandom(verdict, random);
  CheckGlider(verdict);
  return verdict.Finish();
}
