// SPDX-License-Identifier: Apache-2.0
// Cooperative groups as CUDA's header has them: tiles of a block in every size, reductions and
// scans in tiles, the group of the lanes that are together, and groups by label.
#include <algorithm>
#include <utility>

#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>

#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

namespace cg = cooperative_groups;

constexpr unsigned kThreads = 128;
constexpr unsigned kBlocks = 5;
constexpr unsigned kCount = kThreads * kBlocks;

template <unsigned kSize>
__global__ void Tiles(const unsigned* values, unsigned* results) {
  auto tile = cg::tiled_partition<kSize>(cg::this_thread_block());
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned sum = cg::reduce(tile, values[i], cg::plus<unsigned>());
  unsigned most = cg::reduce(tile, values[i], cg::greater<unsigned>());
  unsigned before = cg::exclusive_scan(tile, values[i], cg::plus<unsigned>());
  unsigned mixed = sum + 3 * most + 5 * before;
  for (unsigned distance = tile.size() / 2; distance > 0; distance /= 2) {
    mixed += tile.shfl_xor(mixed, distance);
  }
  bool any = tile.any(values[i] % 64 == 0);
  mixed += any ? 1 : 0;
  results[i] = mixed * 37 + tile.thread_rank() + 2 * tile.meta_group_rank();
}

// A tile of more than a warp goes through shared memory.
__global__ void WideTile(const unsigned* values, unsigned* results) {
  __shared__ cg::block_tile_memory<kThreads> memory;
  auto tile = cg::tiled_partition<64>(cg::this_thread_block(memory));
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned sum = cg::reduce(tile, values[i], cg::plus<unsigned>());
  tile.sync();
  results[i] = sum + tile.thread_rank();
}

// One of the lanes that are together takes places for all of them.
__global__ void Compact(const unsigned* values, unsigned* kept, unsigned* count) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (values[i] % 3 == 0) {
    cg::coalesced_group together = cg::coalesced_threads();
    unsigned first = 0;
    if (together.thread_rank() == 0) {
      first = atomicAdd(count, together.size());
    }
    kept[together.shfl(first, 0) + together.thread_rank()] = values[i] + (apps::kMutate ? 3 : 0);
  }
}

__global__ void Labels(const unsigned* values, unsigned* results) {
  auto warp = cg::tiled_partition<32>(cg::this_thread_block());
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  auto same = cg::labeled_partition(warp, values[i] % 5);
  unsigned sum = cg::reduce(same, values[i], cg::plus<unsigned>());
  auto half = cg::binary_partition(warp, values[i] % 2 == 0);
  results[i] = sum * 3 + same.size() + 7 * half.size() + 11 * half.thread_rank();
}

// Arrival and wait apart: what lies between them is not ordered, what follows is.
__global__ void SplitBarrier(const unsigned* values, unsigned* results) {
  __shared__ unsigned shared[kThreads];
  cg::thread_block block = cg::this_thread_block();
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  shared[block.thread_rank()] = values[i];
  auto token = block.barrier_arrive();
  unsigned own = values[i] * 3;
  block.barrier_wait(std::move(token));
  results[i] = own + shared[(block.thread_rank() + 45) % kThreads];
}

namespace {

using Values = std::vector<unsigned>;
using Kernel = void (*)(const unsigned*, unsigned*);

void Check(apps::Verdict& verdict,
           const Values& values,
           Kernel kernel,
           const Values& wanted,
           const std::string& what) {
  apps::DeviceBuffer<unsigned> device(values);
  apps::DeviceBuffer<unsigned> results(values.size());
  kernel<<<kBlocks, kThreads>>>(device.get(), results.get());
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(results.Read(), wanted, what);
}

template <unsigned kSize>
void CheckTiles(apps::Verdict& verdict, const Values& values) {
  Values wanted(kCount);
  for (unsigned first = 0; first < kCount; first += kSize) {
    unsigned sum = 0;
    unsigned most = 0;
    bool any = false;
    for (unsigned k = first; k < first + kSize; ++k) {
      wanted[k] = 5 * sum;
      sum += values[k];
      most = std::max(most, values[k]);
      any = any || values[k] % 64 == 0;
    }
    unsigned mixed = 0;
    for (unsigned k = first; k < first + kSize; ++k) {
      mixed += wanted[k] + sum + 3 * most;
    }
    for (unsigned k = first; k < first + kSize; ++k) {
      wanted[k] = (mixed + (any ? 1 : 0)) * 37 + (k - first) + 2 * (k % kThreads / kSize);
    }
  }
  Check(verdict, values, Tiles<kSize>, wanted, "tiles of " + std::to_string(kSize));
}

void CheckWideTile(apps::Verdict& verdict, const Values& values) {
  Values wanted(kCount);
  for (unsigned i = 0; i < kCount; ++i) {
    wanted[i] = i % 64;
    for (unsigned k = i / 64 * 64; k < i / 64 * 64 + 64; ++k) {
      wanted[i] += values[k];
    }
  }
  Check(verdict, values, WideTile, wanted, "tiles of two warps");
}

// The order of what is kept is open.
void CheckCompact(apps::Verdict& verdict, const Values& values) {
  Values wanted;
  for (unsigned value : values) {
    if (value % 3 == 0) {
      wanted.push_back(value);
    }
  }
  apps::DeviceBuffer<unsigned> device(values);
  apps::DeviceBuffer<unsigned> kept(kCount);
  apps::DeviceBuffer<unsigned> count(1);
  count.Fill(0);
  Compact<<<kBlocks, kThreads>>>(device.get(), kept.get(), count.get());
  CUDA_CALL(cudaGetLastError());
  Values given = kept.Read();
  given.resize(std::min<size_t>(count.Read()[0], kCount));
  std::sort(given.begin(), given.end());
  std::sort(wanted.begin(), wanted.end());
  verdict.ExpectEqual(given, wanted, "what the groups kept");
}

void CheckLabels(apps::Verdict& verdict, const Values& values) {
  Values wanted(kCount);
  for (unsigned i = 0; i < kCount; ++i) {
    for (unsigned k = i / 32 * 32; k < i / 32 * 32 + 32; ++k) {
      wanted[i] += values[k] % 5 == values[i] % 5 ? 3 * values[k] + 1 : 0;
      bool same_half = values[k] % 2 == values[i] % 2;
      wanted[i] += (same_half ? 7 : 0) + (same_half && k < i ? 11 : 0);
    }
  }
  Check(verdict, values, Labels, wanted, "groups by label");
}

void CheckBarrier(apps::Verdict& verdict, const Values& values) {
  Values wanted(kCount);
  for (unsigned i = 0; i < kCount; ++i) {
    wanted[i] = 3 * values[i] + values[i / kThreads * kThreads + (i + 45) % kThreads];
  }
  Check(verdict, values, SplitBarrier, wanted, "a barrier in two halves");
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("cooperative_groups", argc, argv);
  apps::SeededRandom random(verdict.seed());
  Values values = random.Integers<unsigned>(kCount);
  CheckTiles<2>(verdict, values);
  CheckTiles<4>(verdict, values);
  CheckTiles<8>(verdict, values);
  CheckTiles<16>(verdict, values);
  CheckTiles<32>(verdict, values);
  CheckWideTile(verdict, values);
  CheckCompact(verdict, values);
  CheckLabels(verdict, values);
  CheckBarrier(verdict, values);
  return verdict.Finish();
}
