// SPDX-License-Identifier: Apache-2.0
// Open hash tables that all threads fill at once by compare-and-swap: one counts words, the other
// keeps the least value of each key in one 64-bit slot of key and value.
#include <unordered_map>

#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kEmpty = 0xffffffff;
constexpr unsigned long long kEmptySlot = ~0ull;
constexpr unsigned kThreads = 128;

__host__ __device__ inline unsigned Hash(unsigned key) {
  key = (key ^ (key >> 16)) * 0x7feb352du;
  key = (key ^ (key >> 15)) * 0x846ca68bu;
  return key ^ (key >> 16);
}

// `slots` is a power of two and greater than the number of different keys.
__global__ void CountWords(
    const unsigned* words, unsigned count, unsigned* keys, unsigned* counts, unsigned slots) {
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
    unsigned word = words[i];
    for (unsigned slot = Hash(word);; ++slot) {
      unsigned found = atomicCAS(&keys[slot & (slots - 1)], kEmpty, word);
      if (found == kEmpty || found == word) {
        atomicAdd(&counts[slot & (slots - 1)], 1);
        break;
      }
    }
  }
}

__global__ void FindCounts(const unsigned* words,
                           unsigned count,
                           const unsigned* keys,
                           const unsigned* counts,
                           unsigned slots,
                           unsigned* found) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count) {
    return;
  }
  unsigned slot = Hash(words[i]) & (slots - 1);
  while (keys[slot] != words[i] && keys[slot] != kEmpty) {
    slot = (slot + 1) & (slots - 1);
  }
  found[i] = keys[slot] == words[i] ? counts[slot] : 0;
}

// Key i goes with the value `count` - 1 - i; of equal keys the least value stays, the last one.
__global__ void KeepLeast(const unsigned* keys,
                          unsigned count,
                          unsigned long long* table,
                          unsigned slots) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count) {
    return;
  }
  unsigned long long own = static_cast<unsigned long long>(keys[i]) << 32 | (count - 1 - i);
  unsigned slot = Hash(keys[i]) & (slots - 1);
  unsigned long long seen = table[slot];
  while (true) {
    bool same_key = seen != kEmptySlot && seen >> 32 == keys[i];
    if (same_key && (apps::kMutate || seen <= own)) {
      return;
    }
    if (seen != kEmptySlot && !same_key) {
      slot = (slot + 1) & (slots - 1);
      seen = table[slot];
      continue;
    }
    unsigned long long before = atomicCAS(&table[slot], seen, own);
    if (before == seen) {
      return;
    }
    seen = before;
  }
}

namespace {

unsigned SlotsFor(size_t keys) {
  unsigned slots = 64;
  while (slots < keys + keys / 4) {
    slots *= 2;
  }
  return slots;
}

// Words repeat; the second half of what is looked up was never put in.
void CheckCounts(apps::Verdict& verdict, apps::SeededRandom& random) {
  unsigned count = static_cast<unsigned>(random.Between(verdict.count() / 2, verdict.count()));
  std::vector<unsigned> words(count);
  std::unordered_map<unsigned, unsigned> counted;
  for (unsigned& word : words) {
    word = Hash(static_cast<unsigned>(random.Between(0, count / 3))) & ~1u;
    ++counted[word];
  }
  unsigned slots = SlotsFor(counted.size());
  std::vector<unsigned> sought = words;
  std::vector<unsigned> wanted(2 * count);
  for (unsigned i = 0; i < count; ++i) {
    sought.push_back(words[i] | 1);
    wanted[i] = counted[words[i]];
  }
  apps::DeviceBuffer<unsigned> device_words(words);
  apps::DeviceBuffer<unsigned> device_sought(sought);
  apps::DeviceBuffer<unsigned> keys(slots);
  apps::DeviceBuffer<unsigned> counts(slots);
  apps::DeviceBuffer<unsigned> found(sought.size());
  keys.Fill(0xff);
  counts.Fill(0);
  CountWords<<<12, kThreads>>>(device_words.get(), count, keys.get(), counts.get(), slots);
  CUDA_CALL(cudaGetLastError());
  FindCounts<<<(2 * count + kThreads - 1) / kThreads, kThreads>>>(
      device_sought.get(), 2 * count, keys.get(), counts.get(), slots, found.get());
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(found.Read(), wanted, "the words' counts");
}

void CheckLeast(apps::Verdict& verdict, apps::SeededRandom& random) {
  unsigned count = static_cast<unsigned>(random.Between(verdict.count() / 2, verdict.count()));
  std::vector<unsigned> keys(count);
  std::vector<unsigned> least(count / 16 + 1, kEmpty);
  for (unsigned i = 0; i < count; ++i) {
    keys[i] = static_cast<unsigned>(random.Between(0, count / 16));
    least[keys[i]] = count - 1 - i;
  }
  unsigned slots = SlotsFor(least.size());
  apps::DeviceBuffer<unsigned> device_keys(keys);
  apps::DeviceBuffer<unsigned long long> table(slots);
  table.Fill(0xff);
  KeepLeast<<<(count + kThreads - 1) / kThreads, kThreads>>>(device_keys.get(), count, table.get(),
                                                             slots);
  CUDA_CALL(cudaGetLastError());
  // Where a key lies depends on who came first; what it lies with does not.
  std::vector<unsigned> given(least.size(), kEmpty);
  size_t filled = 0;
  for (unsigned long long slot : table.Read()) {
    if (slot != kEmptySlot && slot >> 32 < given.size()) {
      given[slot >> 32] = static_cast<unsigned>(slot);
      ++filled;
    }
  }
  size_t different = 0;
  for (unsigned value : least) {
    different += value != kEmpty ? 1 : 0;
  }
  verdict.Expect(filled == different, "every key has one slot");
  verdict.ExpectEqual(given, least, "the least values");
}

}  // namespace

// COUNT is how many insertions there are.
int main(int argc, char** argv) {
  apps::Verdict verdict("hash_table", argc, argv, 40000);
  apps::SeededRandom random(verdict.seed());
  CheckCounts(verdict, random);
  CheckLeast(verdict, random);
  return verdict.Finish();
}
