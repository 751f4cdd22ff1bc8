// SPDX-License-Identifier: Apache-2.0
// Prefix sums in one launch: each block publishes its sum and looks back over the blocks before it,
// waiting for those that have not published yet. Blocks wait for blocks, so the order in which the
// device starts them and the visibility of what they publish both count.
#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kWhole = 0xffffffff;
constexpr unsigned kThreads = 128;
constexpr unsigned kPerThread = 4;
constexpr unsigned kPerBlock = kThreads * kPerThread;

// The upper half of a published word; the lower one is the number.
constexpr unsigned kSumOfBlock = 1;
constexpr unsigned kSumOfAllSoFar = 2;

__device__ unsigned long long Word(unsigned kind, unsigned sum) {
  return static_cast<unsigned long long>(kind) << 32 | sum;
}

__device__ unsigned ScanWarp(unsigned value) {
  for (unsigned distance = 1; distance < 32; distance *= 2) {
    unsigned below = __shfl_up_sync(kWhole, value, distance);
    value += threadIdx.x % 32 >= distance ? below : 0;
  }
  return value;
}

// One warp looks at 32 blocks at a time, the nearest in lane 0. Returns the sum of all before.
__device__ unsigned LookBack(volatile unsigned long long* published, int block) {
  unsigned before = 0;
  int lane = static_cast<int>(threadIdx.x % 32);
  for (int nearest = block - 1;; nearest -= 32) {
    unsigned long long word = Word(kSumOfAllSoFar, 0);
    if (nearest - lane >= 0) {
      do {
        word = published[nearest - lane];
      } while (word >> 32 == 0);
    }
    unsigned whole = __ballot_sync(kWhole, word >> 32 == kSumOfAllSoFar);
    int last = whole == 0 ? 31 : __ffs(static_cast<int>(whole)) - 1;
    unsigned sum = lane <= last ? static_cast<unsigned>(word) : 0;
    for (unsigned distance = 16; distance > 0; distance /= 2) {
      sum += __shfl_xor_sync(kWhole, sum, distance);
    }
    before += sum;
    if (whole != 0) {
      return before;
    }
  }
}

__global__ void Scan(const unsigned* in,
                     unsigned* out,
                     unsigned count,
                     unsigned* tickets,
                     volatile unsigned long long* published) {
  __shared__ unsigned warp_sums[kThreads / 32];
  __shared__ unsigned ticket;
  __shared__ unsigned before;
  if (threadIdx.x == 0) {
    // Numbers are drawn, so that whoever waits, waits for a block that runs.
    ticket = atomicAdd(tickets, 1);
  }
  __syncthreads();
  unsigned first = ticket * kPerBlock + threadIdx.x * kPerThread;
  unsigned values[kPerThread];
  unsigned own = 0;
  for (unsigned i = 0; i < kPerThread; ++i) {
    values[i] = first + i < count ? in[first + i] : 0;
    own += values[i];
  }
  unsigned upto = ScanWarp(own);
  if (threadIdx.x % 32 == 31) {
    warp_sums[threadIdx.x / 32] = upto;
  }
  __syncthreads();
  unsigned block_sum = 0;
  for (unsigned warp = 0; warp < kThreads / 32; ++warp) {
    upto += warp < threadIdx.x / 32 ? warp_sums[warp] : 0;
    block_sum += warp_sums[warp];
  }
  if (threadIdx.x < 32) {
    if (threadIdx.x == 0) {
      published[ticket] = Word(ticket == 0 ? kSumOfAllSoFar : kSumOfBlock, block_sum);
    }
    unsigned sum = ticket == 0 ? 0 : LookBack(published, static_cast<int>(ticket));
    if (threadIdx.x == 0) {
      published[ticket] = Word(kSumOfAllSoFar, sum + block_sum);
      before = apps::kMutate && ticket == 5 ? sum + 1 : sum;
    }
  }
  __syncthreads();
  unsigned sum = before + upto - own;
  for (unsigned i = 0; i < kPerThread && first + i < count; ++i) {
    sum += values[i];
    out[first + i] = sum;
  }
}

// COUNT is how many numbers are scanned.
int main(int argc, char** argv) {
  apps::Verdict verdict("look_back", argc, argv, 200000);
  apps::SeededRandom random(verdict.seed());
  unsigned count = static_cast<unsigned>(random.Between(verdict.count() / 2, verdict.count()));
  std::vector<unsigned> values = random.Integers<unsigned>(count);
  std::vector<unsigned> wanted(count);
  for (unsigned i = 0; i < count; ++i) {
    wanted[i] = values[i] + (i == 0 ? 0 : wanted[i - 1]);
  }
  unsigned blocks = (count + kPerBlock - 1) / kPerBlock;
  apps::DeviceBuffer<unsigned> in(values);
  apps::DeviceBuffer<unsigned> out(count);
  apps::DeviceBuffer<unsigned> tickets(1);
  apps::DeviceBuffer<unsigned long long> published(blocks);
  for (int round = 0; round < 3; ++round) {
    tickets.Fill(0);
    published.Fill(0);
    out.Fill(0xff);
    Scan<<<blocks, kThreads>>>(in.get(), out.get(), count, tickets.get(), published.get());
    CUDA_CALL(cudaGetLastError());
    verdict.ExpectEqual(out.Read(), wanted, "running sums");
  }
  return verdict.Finish();
}
