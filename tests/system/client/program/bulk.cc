// SPDX-License-Identifier: Apache-2.0
// A client that moves data over the network as fast as it can, until its standard input ends.
#include <atomic>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "protocol/base/environment.h"
#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

constexpr size_t kBytes = 8 << 20;

// Nothing that could be sent as less.
std::vector<uint64_t> Noise() {
  std::vector<uint64_t> noise(kBytes / sizeof(uint64_t));
  uint64_t state = 88172645463325252ull;
  for (uint64_t& word : noise) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    word = state;
  }
  return noise;
}

}  // namespace

// BULK_WAY says which way: "in" to the server, "out" of it, or both. What comes back is what went.
void Bulk() {
  Begin();
  const std::string way = Environment("BULK_WAY").value_or("both");
  const std::vector<uint64_t> noise = Noise();
  std::vector<uint64_t> back(noise.size());
  CUdeviceptr memory = 0;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&memory, kBytes));
  EXPECT_OK(Cuda().cuMemcpyHtoD_v2(memory, noise.data(), kBytes));
  std::atomic<bool> over{false};
  std::thread listener([&over] {
    while (std::fgetc(stdin) != EOF) {
    }
    over = true;
  });
  std::printf("ready\n");
  std::fflush(stdout);
  while (!over) {
    if (way != "out") {
      EXPECT_OK(Cuda().cuMemcpyHtoD_v2(memory, noise.data(), kBytes));
    }
    if (way != "in") {
      EXPECT_OK(Cuda().cuMemcpyDtoH_v2(back.data(), memory, kBytes));
    }
  }
  listener.join();
  EXPECT_OK(Cuda().cuMemcpyDtoH_v2(back.data(), memory, kBytes));
  EXPECT(memcmp(back.data(), noise.data(), kBytes), 0);
}

}  // namespace farlane::cases
