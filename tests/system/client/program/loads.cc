// SPDX-License-Identifier: Apache-2.0
// Clients of a modelled device, on which a kernel takes as long as it has blocks: one that always
// has more waiting, and one that has requests now and then, as people make them.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "protocol/base/clock.h"
#include "protocol/base/environment.h"
#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

constexpr char kLoad[] = R"(.version 7.0
.target sm_70
.address_size 64
.visible .entry load() {
  ret;
})";

double Wanted(const char* name, double otherwise) {
  const auto text = Environment(name);
  return text ? std::strtod(text->c_str(), nullptr) : otherwise;
}

// "2,20,500": numbers of blocks.
std::vector<uint32_t> BlocksWanted() {
  const std::string text = Environment("LOADS_BLOCKS").value_or("100");
  std::vector<uint32_t> blocks;
  for (const char* at = text.c_str(); *at != '\0';) {
    char* end = nullptr;
    blocks.push_back(static_cast<uint32_t>(std::strtoul(at, &end, 10)));
    at = *end == ',' ? end + 1 : end;
  }
  return blocks;
}

class Loader {
 public:
  Loader() : blocks_(BlocksWanted()), random_(static_cast<uint32_t>(Wanted("LOADS_SEED", 1))) {
    EXPECT_OK(Cuda().cuModuleLoadData(&module_, kLoad));
    EXPECT_OK(Cuda().cuModuleGetFunction(&function_, module_, "load"));
    EXPECT_OK(Cuda().cuStreamCreate(&stream_, CU_STREAM_NON_BLOCKING));
  }

  // One of the kernels, by chance; how many blocks it has.
  uint32_t Launch() {
    const uint32_t blocks = blocks_[random_() % blocks_.size()];
    EXPECT_OK(
        Cuda().cuLaunchKernel(function_, blocks, 1, 1, 1, 1, 1, 0, stream_, nullptr, nullptr));
    return blocks;
  }

  std::mt19937& random() { return random_; }

  CUstream stream() const { return stream_; }

 private:
  const std::vector<uint32_t> blocks_;
  std::mt19937 random_;
  CUmodule module_ = nullptr;
  CUfunction function_ = nullptr;
  CUstream stream_ = nullptr;
};

// Until a line comes, or the standard input ends. Thread: any may ask.
class Listener {
 public:
  ~Listener() { thread_.join(); }

  bool over() const { return over_; }

 private:
  std::atomic<bool> over_{false};
  std::thread thread_{[this] {
    for (int c = 0; c != EOF && c != '\n';) {
      c = std::fgetc(stdin);
    }
    over_ = true;
  }};
};

struct Request {
  uint64_t due_ns = 0;
  uint64_t launched_ns = 0;
  uint64_t over_ns = 0;
};

void Say(const char* line) {
  std::printf("%s\n", line);
  std::fflush(stdout);
}

void AwaitLine() {
  char line[16];
  static_cast<void>(!std::fgets(line, sizeof line, stdin));
}

}  // namespace

// Keeps kernels of LOADS_AHEAD blocks waiting, from the first line on to the second.
void Loads() {
  const auto ahead = static_cast<uint64_t>(Wanted("LOADS_AHEAD", 10'000));
  constexpr uint64_t kParts = 4;  // of what is ahead, each with an event behind it
  Begin();
  Loader loader;
  std::deque<CUevent> ends;
  for (uint64_t i = 0; i < kParts; ++i) {
    CUevent end = nullptr;
    EXPECT_OK(Cuda().cuEventCreate(&end, CU_EVENT_DISABLE_TIMING));
    ends.push_back(end);
  }
  EXPECT_OK(Cuda().cuCtxSynchronize());
  Say("ready");
  AwaitLine();
  const Listener listener;
  std::printf("began %llu\n", static_cast<unsigned long long>(NowNs()));
  std::fflush(stdout);
  size_t launches = 0;
  while (!listener.over()) {
    // The oldest part is done: its event is the newest part's.
    EXPECT_OK(Cuda().cuEventSynchronize(ends.front()));
    for (uint64_t blocks = 0; blocks < ahead / kParts; ++launches) {
      blocks += loader.Launch();
    }
    EXPECT_OK(Cuda().cuEventRecord(ends.front(), loader.stream()));
    ends.push_back(ends.front());
    ends.pop_front();
  }
  std::printf("launches %zu\n", launches);
  std::fflush(stdout);
  EXPECT_OK(Cuda().cuCtxSynchronize());
}

// LOADS_COUNT requests, LOADS_RATE of them a second, each a kernel that is waited for. They come
// when they come, however long the last one takes; says of each, in nanoseconds of the clock, when
// it came, when it was launched, and when it was over.
void Requests() {
  const auto count = static_cast<size_t>(Wanted("LOADS_COUNT", 100));
  std::exponential_distribution<double> pause(Wanted("LOADS_RATE", 100));
  Begin();
  Loader loader;
  loader.Launch();
  EXPECT_OK(Cuda().cuCtxSynchronize());
  Say("ready");
  AwaitLine();
  uint64_t due_ns = NowNs();
  std::vector<Request> requests;
  for (size_t i = 0; i < count; ++i) {
    due_ns += static_cast<uint64_t>(1e9 * pause(loader.random()));
    const uint64_t now_ns = NowNs();
    std::this_thread::sleep_for(std::chrono::nanoseconds(due_ns > now_ns ? due_ns - now_ns : 0));
    Request request{.due_ns = due_ns, .launched_ns = NowNs(), .over_ns = 0};
    loader.Launch();
    EXPECT_OK(Cuda().cuStreamSynchronize(loader.stream()));
    request.over_ns = NowNs();
    requests.push_back(request);
  }
  for (const Request& one : requests) {
    std::printf("%llu %llu %llu\n", static_cast<unsigned long long>(one.due_ns),
                static_cast<unsigned long long>(one.launched_ns),
                static_cast<unsigned long long>(one.over_ns));
  }
}

}  // namespace farlane::cases
