// SPDX-License-Identifier: Apache-2.0
// Warp operations by some lanes of a warp while others are elsewhere: in other branches, in loops
// of other lengths, or gone. Each names exactly its own lanes, so every result is fixed.
#include <algorithm>

#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kThreads = 128;
constexpr unsigned kBlocks = 6;
constexpr unsigned kCount = kThreads * kBlocks;

// Lanes fall into one of four branches by their value, and each branch asks something else.
__global__ void Branches(const unsigned* values, unsigned* results) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned value = values[i];
  unsigned branch = value % 4;
  unsigned mask = __match_any_sync(0xffffffff, branch);
  unsigned result = 0;
  if (branch == 0) {
    result = __ballot_sync(mask, (value & 16) != 0);
  } else if (branch == 1) {
    result = __any_sync(mask, (value & 0x700) == 0) + 2 * __all_sync(mask, (value & 0x300) != 0);
  } else if (branch == 2) {
    int first = __ffs(static_cast<int>(mask)) - 1;
    result = __shfl_sync(mask, value, apps::kMutate ? 31 : first);
  } else {
    int agree = 0;
    result = __match_all_sync(mask, value & 4, &agree) * 2 + static_cast<unsigned>(agree);
  }
  __syncwarp();
  results[i] = result;
}

// Lanes leave one after another; those that are left count themselves.
__global__ void Loops(const unsigned* values, unsigned* results) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned rounds = values[i] % 20;
  unsigned left = __ballot_sync(0xffffffff, rounds > 0);
  unsigned sum = 0;
  for (unsigned round = 0; round < rounds; ++round) {
    sum = sum * 5 + __popc(left);
    left = __ballot_sync(left, round + 1 < rounds);
  }
  results[i] = sum;
}

// The upper lanes have returned; what is left reduces.
__global__ void Leavers(const unsigned* values, unsigned* results) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned lane = threadIdx.x % 32;
  unsigned lanes = 5 + blockIdx.x * 4;
  results[i] = 0;
  if (lane >= lanes) {
    return;
  }
  unsigned mask = (1u << lanes) - 1;
  results[i] = __reduce_add_sync(mask, values[i]) ^ __reduce_max_sync(mask, values[i]) ^
               __reduce_min_sync(mask, values[i]) ^ __reduce_xor_sync(mask, values[i]) ^
               __reduce_and_sync(mask, values[i] | 0xff) ^ __reduce_or_sync(mask, values[i] & 0xff);
}

// Even and odd lanes pass data through shared memory, with a barrier of their half only.
__global__ void Halves(const unsigned* values, unsigned* results) {
  __shared__ unsigned slots[kThreads];
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned warp = threadIdx.x / 32 * 32;
  unsigned lane = threadIdx.x % 32;
  unsigned sum = 0;
  if (lane % 2 == 0) {
    for (unsigned round = 0; round < 4; ++round) {
      slots[threadIdx.x] = values[i] + round;
      __syncwarp(0x55555555);
      sum = sum * 7 + slots[warp + (lane + 2) % 32];
      __syncwarp(0x55555555);
    }
  } else {
    for (unsigned round = 0; round < 3; ++round) {
      slots[threadIdx.x] = values[i] ^ round;
      __syncwarp(0xaaaaaaaa);
      sum = sum * 11 + slots[warp + (lane + 30) % 32];
      __syncwarp(0xaaaaaaaa);
    }
  }
  results[i] = sum;
}

namespace {

// One warp of the input at a time.
using Warp = const unsigned*;

unsigned BranchResult(Warp values, unsigned lane) {
  unsigned branch = values[lane] % 4;
  unsigned mask = 0;
  unsigned ballot = 0;
  bool any = false;
  bool all = true;
  bool agree = true;
  unsigned first = 32;
  for (unsigned other = 0; other < 32; ++other) {
    unsigned value = values[other];
    if (value % 4 == branch) {
      mask |= 1u << other;
      first = first == 32 ? other : first;
      ballot |= (value & 16) != 0 ? 1u << other : 0;
      any = any || (value & 0x700) == 0;
      all = all && (value & 0x300) != 0;
      agree = agree && (value & 4) == (values[lane] & 4);
    }
  }
  const unsigned results[4] = {ballot, any + 2u * all, values[first], agree ? mask * 2 + 1 : 0};
  return results[branch];
}

unsigned LoopResult(Warp values, unsigned lane) {
  unsigned sum = 0;
  for (unsigned round = 0; round < values[lane] % 20; ++round) {
    unsigned left = 0;
    for (unsigned other = 0; other < 32; ++other) {
      left += values[other] % 20 > round ? 1 : 0;
    }
    sum = sum * 5 + left;
  }
  return sum;
}

unsigned LeaverResult(Warp values, unsigned lane, unsigned lanes) {
  if (lane >= lanes) {
    return 0;
  }
  unsigned sum = 0;
  unsigned most = 0;
  unsigned least = ~0u;
  unsigned odd = 0;
  unsigned common = ~0u;
  unsigned any = 0;
  for (unsigned other = 0; other < lanes; ++other) {
    sum += values[other];
    most = std::max(most, values[other]);
    least = std::min(least, values[other]);
    odd ^= values[other];
    common &= values[other] | 0xff;
    any |= values[other] & 0xff;
  }
  return sum ^ most ^ least ^ odd ^ common ^ any;
}

unsigned HalfResult(Warp values, unsigned lane) {
  unsigned sum = 0;
  bool even = lane % 2 == 0;
  for (unsigned round = 0; round < (even ? 4 : 3); ++round) {
    sum = even ? sum * 7 + values[(lane + 2) % 32] + round
               : sum * 11 + (values[(lane + 30) % 32] ^ round);
  }
  return sum;
}

template <typename Result>
void Check(apps::Verdict& verdict,
           const std::vector<unsigned>& values,
           void (*kernel)(const unsigned*, unsigned*),
           Result result,
           const char* what) {
  std::vector<unsigned> wanted(kCount);
  for (unsigned i = 0; i < kCount; ++i) {
    wanted[i] = result(values.data() + i / 32 * 32, i % 32, i / kThreads);
  }
  apps::DeviceBuffer<unsigned> device(values);
  apps::DeviceBuffer<unsigned> results(kCount);
  kernel<<<kBlocks, kThreads>>>(device.get(), results.get());
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(results.Read(), wanted, what);
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("divergent_warps", argc, argv);
  apps::SeededRandom random(verdict.seed());
  std::vector<unsigned> values = random.Integers<unsigned>(kCount);
  Check(
      verdict, values, Branches,
      [](Warp warp, unsigned lane, unsigned) { return BranchResult(warp, lane); }, "four branches");
  Check(
      verdict, values, Loops,
      [](Warp warp, unsigned lane, unsigned) { return LoopResult(warp, lane); },
      "loops of many lengths");
  Check(
      verdict, values, Leavers,
      [](Warp warp, unsigned lane, unsigned block) {
        return LeaverResult(warp, lane, 5 + block * 4);
      },
      "lanes that are left");
  Check(
      verdict, values, Halves,
      [](Warp warp, unsigned lane, unsigned) { return HalfResult(warp, lane); },
      "halves with barriers of their own");
  return verdict.Finish();
}
