// SPDX-License-Identifier: Apache-2.0
// A cooperative grid whose blocks all wait for each other, many times in one launch: the ranks of a
// linked list by doubling, where every round reads what any block wrote in the round before.
#include <algorithm>
#include <numeric>

#include <cooperative_groups.h>

#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kThreads = 64;

// Two copies of each array: one is read while the other is written.
struct Lists {
  unsigned* next[2];
  unsigned* rank[2];
};

__global__ void RankLists(Lists lists, unsigned count, unsigned rounds) {
  cooperative_groups::grid_group grid = cooperative_groups::this_grid();
  for (unsigned round = 0; round < rounds; ++round) {
    unsigned from = round % 2;
    unsigned to = 1 - from;
    for (unsigned i = static_cast<unsigned>(grid.thread_rank()); i < count;
         i += static_cast<unsigned>(grid.size())) {
      unsigned next = lists.next[from][i];
      lists.rank[to][i] = lists.rank[from][i] + lists.rank[from][next];
      lists.next[to][i] = lists.next[from][next];
    }
    if (!apps::kMutate || round % 4 != 3) {
      grid.sync();
    } else {
      // What a barrier of one block is worth here.
      lists.rank[to][0] += 1;
      __syncthreads();
    }
  }
}

// Every block adds to what the block before it left, in as many rounds as there are blocks.
__global__ void PassOn(unsigned* chain, unsigned* whole) {
  cooperative_groups::grid_group grid = cooperative_groups::this_grid();
  for (unsigned turn = 0; turn < gridDim.x; ++turn) {
    if (blockIdx.x == turn && threadIdx.x == 0) {
      chain[turn] = (turn == 0 ? 1 : chain[turn - 1]) * 3 + turn;
    }
    grid.sync();
  }
  if (threadIdx.x == 0) {
    atomicAdd(whole, chain[gridDim.x - 1] + (grid.is_valid() ? 1 : 0));
  }
}

namespace {

unsigned BlocksAtOnce(const void* kernel) {
  int per_processor = 0;
  CUDA_CALL(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&per_processor, kernel, kThreads, 0));
  int processors = 0;
  CUDA_CALL(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 0));
  return static_cast<unsigned>(per_processor * processors);
}

template <typename... Arguments>
void LaunchTogether(void (*kernel)(Arguments...), unsigned blocks, Arguments... arguments) {
  void* addresses[] = {&arguments...};
  CUDA_CALL(cudaLaunchCooperativeKernel(reinterpret_cast<const void*>(kernel), blocks, kThreads,
                                        addresses, 0, nullptr));
}

// One list through all elements in random order; the rank is the distance to its end.
void CheckRanks(apps::Verdict& verdict, apps::SeededRandom& random) {
  unsigned count = static_cast<unsigned>(random.Between(verdict.count() / 2, verdict.count()));
  std::vector<unsigned> order(count);
  std::iota(order.begin(), order.end(), 0);
  for (unsigned i = count - 1; i > 0; --i) {
    std::swap(order[i], order[random.Between(0, i)]);
  }
  std::vector<unsigned> next(count);
  std::vector<unsigned> rank(count, 1);
  std::vector<unsigned> wanted(count);
  for (unsigned i = 0; i < count; ++i) {
    next[order[i]] = order[i + 1 == count ? i : i + 1];
    wanted[order[i]] = count - 1 - i;
  }
  rank[order[count - 1]] = 0;
  unsigned rounds = 0;
  while ((1u << rounds) < count) {
    ++rounds;
  }
  apps::DeviceBuffer<unsigned> next_first(next);
  apps::DeviceBuffer<unsigned> next_second(count);
  apps::DeviceBuffer<unsigned> rank_first(rank);
  apps::DeviceBuffer<unsigned> rank_second(count);
  Lists lists = {{next_first.get(), next_second.get()}, {rank_first.get(), rank_second.get()}};
  unsigned blocks = std::min(BlocksAtOnce(reinterpret_cast<const void*>(RankLists)), 24u);
  LaunchTogether(RankLists, blocks, lists, count, rounds);
  verdict.ExpectEqual((rounds % 2 == 0 ? rank_first : rank_second).Read(), wanted, "the ranks");
}

void CheckChain(apps::Verdict& verdict) {
  constexpr unsigned kBlocks = 8;
  apps::DeviceBuffer<unsigned> chain(kBlocks);
  apps::DeviceBuffer<unsigned> whole(1);
  whole.Fill(0);
  LaunchTogether(PassOn, kBlocks, chain.get(), whole.get());
  std::vector<unsigned> wanted(kBlocks);
  for (unsigned i = 0; i < kBlocks; ++i) {
    wanted[i] = (i == 0 ? 1 : wanted[i - 1]) * 3 + i;
  }
  verdict.ExpectEqual(chain.Read(), wanted, "the chain of blocks");
  verdict.ExpectEqual(whole.Read(), std::vector<unsigned>{kBlocks * (wanted.back() + 1)},
                      "what all blocks saw in the end");
}

void CheckTooLarge(apps::Verdict& verdict) {
  unsigned* nothing = nullptr;
  void* addresses[] = {&nothing, &nothing};
  unsigned blocks = BlocksAtOnce(reinterpret_cast<const void*>(PassOn)) + 1;
  verdict.ExpectCode(cudaLaunchCooperativeKernel(reinterpret_cast<const void*>(PassOn), blocks,
                                                 kThreads, addresses, 0, nullptr),
                     cudaErrorCooperativeLaunchTooLarge, "a grid that cannot run at once");
  cudaGetLastError();
}

}  // namespace

// COUNT is the length of the list.
int main(int argc, char** argv) {
  apps::Verdict verdict("grid_sync", argc, argv, 20000);
  apps::SeededRandom random(verdict.seed());
  CheckRanks(verdict, random);
  CheckChain(verdict);
  CheckTooLarge(verdict);
  return verdict.Finish();
}
