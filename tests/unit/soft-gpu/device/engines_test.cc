// SPDX-License-Identifier: Apache-2.0
// Engines that several stand-ins for processes share, each with the file opened for itself. What is
// compared is the device's clock, so a loaded machine makes this longer and nothing else.
#include "soft-gpu/device/engines.h"

#include <chrono>
#include <csignal>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/base/clock.h"

namespace farlane::soft {
namespace {

constexpr uint64_t kMs = 1'000'000;

struct Occupied {
  uint32_t device = 0;
  std::string engine;
  int pid = 0;
  uint64_t start_ns = 0;
  uint64_t end_ns = 0;
};

class EnginesTest : public testing::Test {
 protected:
  EnginesTest()
      : path_(testing::TempDir() + "farlane-engines-" + std::to_string(getpid())),
        log_path_(path_ + ".log") {}

  ~EnginesTest() override {
    unlink(path_.c_str());
    unlink(log_path_.c_str());
  }

  // A process of its own, as far as the file is concerned, until it is let go.
  std::unique_ptr<Engines> Process() {
    auto file = FrameFile::Open({.device_count = 1, .capacity_bytes = 4 * kFrameBytes}, path_);
    auto log = BusyLog::Open(log_path_);
    EXPECT_TRUE(file.ok() && log.ok());
    return std::make_unique<Engines>(std::shared_ptr<FrameFile>(std::move(file).value()), 0,
                                     std::make_shared<const BusyLog>(std::move(log).value()));
  }

  std::vector<Occupied> Log() const {
    std::ifstream lines(log_path_);
    std::vector<Occupied> all;
    Occupied one;
    while (lines >> one.device >> one.engine >> one.pid >> one.start_ns >> one.end_ns) {
      all.push_back(one);
    }
    return all;
  }

  const std::string path_;
  const std::string log_path_;
};

constexpr EngineLoad Kernel(uint64_t ns) {
  return {Engine::kCompute, ns};
}

uint64_t RunOn(Engines& engines, const EngineLoad& load, uint64_t ready_ns) {
  const uint64_t end_ns = engines.Begin(load, ready_ns);
  engines.End(load, end_ns);
  return end_ns;
}

// Starts, and has its work waiting for the engine: ready before anybody that comes later.
std::thread RunBeside(Engines& engines, const EngineLoad& load, uint64_t* end_ns) {
  return std::thread(
      [&engines, load, end_ns, ready_ns = NowNs()] { *end_ns = RunOn(engines, load, ready_ns); });
}

void Pause(std::chrono::milliseconds time) {
  std::this_thread::sleep_for(time);
}

TEST_F(EnginesTest, OneEngineDoesTheWorkOfAllProcessesOneAfterTheOther) {
  constexpr int kEach = 50;
  constexpr uint64_t kLoadNs = 200'000;
  std::vector<std::unique_ptr<Engines>> processes;
  std::vector<std::thread> streams;
  const uint64_t began_ns = NowNs();
  for (int i = 0; i < 3; ++i) {
    processes.push_back(Process());
    streams.emplace_back([engines = processes.back().get(), began_ns] {
      uint64_t ready_ns = began_ns;
      for (int k = 0; k < kEach; ++k) {
        ready_ns = RunOn(*engines, Kernel(kLoadNs), ready_ns);
      }
    });
  }
  for (std::thread& stream : streams) {
    stream.join();
  }
  const uint64_t ended_ns = NowNs();
  std::vector<Occupied> log = Log();
  ASSERT_EQ(log.size(), 3u * kEach);
  // There was always something ready, so the engine was never free, to the nanosecond: however late
  // this machine's threads were.
  EXPECT_EQ(log.front().start_ns, began_ns);
  for (size_t i = 0; i < log.size(); ++i) {
    EXPECT_EQ(log[i].end_ns - log[i].start_ns, kLoadNs);
    EXPECT_TRUE(i == 0 || log[i].start_ns == log[i - 1].end_ns) << i;
  }
  // And it takes as long by the wall.
  EXPECT_GE(ended_ns, log.back().end_ns);
}

TEST_F(EnginesTest, TheOthersWorkBeside) {
  const auto engines = Process();
  const uint64_t ready_ns = NowNs();
  const uint64_t kernel_ns = engines->Begin(Kernel(20 * kMs), ready_ns);
  const uint64_t in_ns = engines->Begin({Engine::kCopyIn, 20 * kMs}, ready_ns);
  const uint64_t out_ns = engines->Begin({Engine::kCopyOut, 20 * kMs}, ready_ns);
  EXPECT_EQ(kernel_ns, ready_ns + 20 * kMs);
  EXPECT_EQ(in_ns, kernel_ns);
  EXPECT_EQ(out_ns, kernel_ns);
}

TEST_F(EnginesTest, ALateThreadLosesNoTimeOfTheDevice) {
  const auto engines = Process();
  const uint64_t began_ns = NowNs() - 1000 * kMs;
  uint64_t ready_ns = began_ns;
  for (int i = 0; i < 10; ++i) {
    ready_ns = RunOn(*engines, Kernel(50 * kMs), ready_ns);
  }
  EXPECT_EQ(ready_ns, began_ns + 500 * kMs);
}

TEST_F(EnginesTest, WhoHasBeenReadyForLongestIsNext) {
  const auto one = Process();
  const auto two = Process();
  const auto three = Process();
  const uint64_t busy_ns = one->Begin(Kernel(300 * kMs), NowNs());
  uint64_t second_ns = 0;
  uint64_t third_ns = 0;
  std::thread second = RunBeside(*two, Kernel(1 * kMs), &second_ns);
  Pause(std::chrono::milliseconds(10));
  std::thread third = RunBeside(*three, Kernel(1 * kMs), &third_ns);
  // Whoever had the engine wants it again, at once; but the others have waited.
  one->End(Kernel(300 * kMs), busy_ns);
  EXPECT_EQ(RunOn(*one, Kernel(1 * kMs), busy_ns), busy_ns + 3 * kMs);
  second.join();
  third.join();
  EXPECT_EQ(second_ns, busy_ns + 1 * kMs);
  EXPECT_EQ(third_ns, busy_ns + 2 * kMs);
}

TEST_F(EnginesTest, AnEngineThatADeadProcessHasIsFree) {
  const auto lives = Process();
  auto dies = Process();
  const uint64_t began_ns = NowNs();
  dies->Begin(Kernel(3600'000 * kMs), began_ns);
  uint64_t end_ns = 0;
  std::thread waits = RunBeside(*lives, Kernel(1 * kMs), &end_ns);
  Pause(std::chrono::milliseconds(20));
  EXPECT_EQ(end_ns, 0u);
  dies.reset();
  waits.join();
  ASSERT_NE(end_ns, 0u);
  EXPECT_LT(end_ns, began_ns + 3600'000 * kMs);
  const std::vector<Occupied> log = Log();
  ASSERT_EQ(log.size(), 2u);
  // What it had of the engine is in the record all the same.
  EXPECT_EQ(log[0].start_ns, began_ns);
  EXPECT_GE(log[0].end_ns, began_ns + 20 * kMs);
  EXPECT_EQ(log[1].start_ns, log[0].end_ns);
}

TEST_F(EnginesTest, WhoDiesWaitingHoldsNobodyUp) {
  const auto busy = Process();
  const auto lives = Process();
  const uint64_t busy_ns = busy->Begin(Kernel(200 * kMs), NowNs());
  const pid_t child = fork();
  if (child == 0) {
    static_cast<void>(Process()->Begin(Kernel(1 * kMs), NowNs()));
    _exit(0);
  }
  ASSERT_GT(child, 0);
  Pause(std::chrono::milliseconds(100));
  ASSERT_EQ(kill(child, SIGKILL), 0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  // It was ready before this.
  EXPECT_EQ(RunOn(*lives, Kernel(1 * kMs), NowNs()), busy_ns + 1 * kMs);
}

}  // namespace
}  // namespace farlane::soft
