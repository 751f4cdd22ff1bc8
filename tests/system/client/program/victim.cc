// SPDX-License-Identifier: Apache-2.0
// A tenant whose neighbours are to do it no harm: it sends numbers, works on them, fetches the
// results and compares them with what they must be, with several rounds under way, until its
// standard input ends. Each round keeps the device busy for a time that the round itself measures.
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include <poll.h>
#include <unistd.h>

#include "protocol/base/environment.h"
#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"
#include "tests/system/client/program/mix.h"

namespace farlane::cases {
namespace {

// Keeps one thread busy until so many nanoseconds are over.
constexpr char kPtx[] = R"(.version 7.0
.target sm_70
.address_size 64
.visible .entry timed(.param .u64 nanoseconds) {
  .reg .pred %p;
  .reg .b64 %rd<3>;
  ld.param.u64 %rd0, [nanoseconds];
  mov.u64 %rd1, %globaltimer;
  add.s64 %rd1, %rd1, %rd0;
again:
  mov.u64 %rd2, %globaltimer;
  setp.lt.u64 %p, %rd2, %rd1;
  @%p bra again;
  ret;
})";

constexpr uint32_t kThreads = 128;
constexpr uint32_t kCells = 32 * kThreads;
constexpr uint32_t kDepth = 3;   // rounds under way
constexpr uint32_t kKinds = 16;  // rounds of different numbers

using Cells = std::array<uint32_t, kCells>;

uint32_t Input(uint32_t kind, uint32_t cell) {
  return (kind + 1) * 2654435761u ^ (cell * 40503u);
}

uint32_t Output(uint32_t kind, uint32_t cell) {
  return Mixed(Input(kind, cell), kind, cell);
}

struct Round {
  CUstream stream = nullptr;
  CUevent end = nullptr;
  CUdeviceptr cells = 0;
  Cells* host = nullptr;
  uint32_t kind = 0;
  bool under_way = false;
};

class Victim {
 public:
  Victim() {
    const std::string text = Environment("VICTIM_US").value_or("2000");
    nanoseconds_ = std::strtoull(text.c_str(), nullptr, 10) * 1000;
    CUmodule module = nullptr;
    EXPECT_OK(Cuda().cuModuleLoadData(&module, kPtx));
    EXPECT_OK(Cuda().cuModuleGetFunction(&timed_, module, "timed"));
    EXPECT_OK(LoadMix(&mix_));
    EXPECT_OK(Cuda().cuStreamCreate(&stream_, CU_STREAM_NON_BLOCKING));
    for (Round& round : rounds_) {
      void* host = nullptr;
      EXPECT_OK(Cuda().cuMemAllocHost_v2(&host, sizeof(Cells)));
      EXPECT_OK(Cuda().cuMemAlloc_v2(&round.cells, sizeof(Cells)));
      EXPECT_OK(Cuda().cuEventCreate(&round.end, CU_EVENT_DISABLE_TIMING));
      round.host = static_cast<Cells*>(host);
    }
    if (const auto path = Environment("VICTIM_LOG")) {
      log_.open(*path);
    }
  }

  void Next() {
    Round& round = rounds_[begun_ % kDepth];
    Finish(round);
    round.kind = static_cast<uint32_t>(begun_++ % kKinds);
    for (uint32_t cell = 0; cell < kCells; ++cell) {
      (*round.host)[cell] = Input(round.kind, cell);
    }
    void* timed[] = {&nanoseconds_};
    void* mix[] = {&round.cells, &round.kind};
    EXPECT_OK(Cuda().cuMemcpyHtoDAsync_v2(round.cells, round.host, sizeof(Cells), stream_));
    EXPECT_OK(Cuda().cuLaunchKernel(timed_, 1, 1, 1, 1, 1, 1, 0, stream_, timed, nullptr));
    EXPECT_OK(Cuda().cuLaunchKernel(mix_, kCells / kThreads, 1, 1, kThreads, 1, 1, 0, stream_, mix,
                                    nullptr));
    EXPECT_OK(Cuda().cuMemcpyDtoHAsync_v2(round.host, round.cells, sizeof(Cells), stream_));
    EXPECT_OK(Cuda().cuEventRecord(round.end, stream_));
    round.under_way = true;
  }

  void FinishAll() {
    for (uint32_t i = 0; i < kDepth; ++i) {
      Finish(rounds_[(begun_ + i) % kDepth]);
    }
  }

  void Report() {
    std::printf("rounds %llu wrong %llu hash %016llx\n", static_cast<unsigned long long>(done_),
                static_cast<unsigned long long>(wrong_), static_cast<unsigned long long>(hash_));
  }

 private:
  void Finish(Round& round) {
    if (!round.under_way) {
      return;
    }
    EXPECT_OK(Cuda().cuEventSynchronize(round.end));
    round.under_way = false;
    log_ << std::chrono::steady_clock::now().time_since_epoch().count() << '\n';
    for (uint32_t cell = 0; cell < kCells; ++cell) {
      const uint32_t got = (*round.host)[cell];
      wrong_ += got == Output(round.kind, cell) ? 0 : 1;
      if (done_ < kKinds) {
        hash_ = (hash_ ^ got) * 1099511628211ull;
      }
    }
    ++done_;
  }

  uint64_t nanoseconds_ = 0;
  CUfunction timed_ = nullptr;
  CUfunction mix_ = nullptr;
  CUstream stream_ = nullptr;
  std::array<Round, kDepth> rounds_;
  std::ofstream log_;  // when each round has ended
  uint64_t begun_ = 0;
  uint64_t done_ = 0;
  uint64_t wrong_ = 0;
  uint64_t hash_ = 14695981039346656037ull;  // of the first round of each kind
};

}  // namespace

// Says how many rounds there were, how many numbers were wrong, and what came out.
void BeAVictim() {
  Begin();
  Victim victim;
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  std::printf("ready\n");
  std::fflush(stdout);
  while (AllRight() && poll(&input, 1, 0) == 0) {
    victim.Next();
  }
  victim.FinishAll();
  victim.Report();
}

}  // namespace farlane::cases
