// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/page_guard.h"

#include <chrono>
#include <csignal>
#include <cstring>
#include <future>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace farlane {
namespace {

using std::chrono_literals::operator""ms;

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kPages = 700;
constexpr uint64_t kBytes = kPages * kPageBytes;

class PageGuardTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!CanGuardPages()) {
      GTEST_SKIP() << "this kernel does not let us guard pages";
    }
    memory_ = static_cast<char*>(mmap(nullptr, kBytes + 2 * kPageBytes, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) +
              kPageBytes;
    for (uint64_t page = 0; page < kPages; page += 2) {  // the others are not there yet
      memory_[page * kPageBytes] = static_cast<char>(page % 100);
    }
  }

  void TearDown() override {
    if (memory_ != nullptr) {
      munmap(memory_ - kPageBytes, kBytes + 2 * kPageBytes);
    }
  }

  uint64_t address() const { return reinterpret_cast<uint64_t>(memory_); }

  char* contents() { return reinterpret_cast<char*>(guard_.ContentsOf(address())); }

  // Runs it on a thread that must wait until the pages are put back.
  template <typename Touch>
  auto Waits(Touch touch) {
    std::future touched = std::async(std::launch::async, touch);
    EXPECT_EQ(touched.wait_for(50ms), std::future_status::timeout) << "nobody held it";
    EXPECT_TRUE(guard_.PutAllBack());
    return touched.get();
  }

  char* memory_ = nullptr;
  std::atomic<int> touches_{0};
  PageGuard guard_{[this] { touches_.fetch_add(1); }};
};

TEST_F(PageGuardTest, WhoReadsWaitsAndFindsWhatIsThereThen) {
  ASSERT_TRUE(guard_.Take(address(), kBytes));
  EXPECT_EQ(contents()[4 * kPageBytes], 4);
  contents()[4 * kPageBytes] = 77;
  EXPECT_EQ(Waits([this] { return memory_[4 * kPageBytes]; }), 77);
  EXPECT_EQ(memory_[698 * kPageBytes], 698 % 100);
  EXPECT_EQ(touches_.load(), 1);
  EXPECT_FALSE(guard_.any());
}

TEST_F(PageGuardTest, WhoAddsAddsToWhatIsThereThen) {
  auto* word = reinterpret_cast<std::atomic<int>*>(memory_ + 8 * kPageBytes);
  word->store(1000);
  ASSERT_TRUE(guard_.Take(address(), kBytes));
  *reinterpret_cast<int*>(contents() + 8 * kPageBytes) += 500;
  EXPECT_EQ(Waits([word] { return word->fetch_add(7); }), 1500);
  EXPECT_EQ(word->load(), 1507);
}

TEST_F(PageGuardTest, SystemCallsWaitToo) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_TRUE(guard_.Take(address(), kBytes));
  contents()[2 * kPageBytes] = 55;
  EXPECT_EQ(Waits([&] { return write(ends[1], memory_ + 2 * kPageBytes, 1); }), 1);
  char got = 0;
  ASSERT_EQ(read(ends[0], &got, 1), 1);
  EXPECT_EQ(got, 55);
  close(ends[0]);
  close(ends[1]);
}

TEST_F(PageGuardTest, PagesThatWereNeverThereAreHeldToo) {
  ASSERT_TRUE(guard_.Take(address(), kBytes));
  EXPECT_EQ(Waits([this] { return memory_[5 * kPageBytes]; }), 0);
}

TEST_F(PageGuardTest, NeighboursAreNotHeld) {
  memory_[-1] = 3;
  ASSERT_TRUE(guard_.Take(address(), kBytes));
  EXPECT_EQ(memory_[-1], 3);
  memory_[kBytes] = 4;
  EXPECT_EQ(touches_.load(), 0);
  guard_.PutBack(address());
  EXPECT_EQ(memory_[kBytes], 4);
}

TEST_F(PageGuardTest, CanBeTakenAgainAndAgain) {
  for (int round = 0; round < 100; ++round) {
    ASSERT_TRUE(guard_.Take(address(), kBytes));
    EXPECT_FALSE(guard_.Take(address(), kBytes)) << "it is taken already";
    contents()[0] = static_cast<char>(round);
    guard_.PutBack(address());
    EXPECT_EQ(memory_[0], round);
    memory_[2 * kPageBytes] = static_cast<char>(round);
  }
  EXPECT_EQ(guard_.ContentsOf(address()), 0u);
}

TEST_F(PageGuardTest, NothingIsPutBackThatIsInUse) {
  ASSERT_TRUE(guard_.Take(address(), kBytes));
  {
    const PageGuard::Use use(guard_);
    EXPECT_FALSE(guard_.PutAllBack());
    EXPECT_EQ(contents()[0], 0);
  }
  EXPECT_TRUE(guard_.PutAllBack());
}

TEST_F(PageGuardTest, WhatWasTakenLaterStaysTaken) {
  ASSERT_TRUE(guard_.Take(address(), kPageBytes));
  const uint64_t takes = guard_.takes();
  guard_.PutBack(address());
  ASSERT_TRUE(guard_.Take(address(), kPageBytes));
  EXPECT_TRUE(guard_.PutBackUntil(takes));
  EXPECT_TRUE(guard_.any());
  EXPECT_NE(guard_.ContentsOf(address()), 0u);
  EXPECT_TRUE(guard_.PutBackUntil(guard_.takes()));
  EXPECT_FALSE(guard_.any());
}

volatile sig_atomic_t handled = 0;

TEST_F(PageGuardTest, SignalsOfWhoWaitsAreHandled) {
  struct sigaction action {};

  action.sa_handler = [](int) { handled = handled + 1; };

  struct sigaction before {};

  sigaction(SIGUSR2, &action, &before);
  ASSERT_TRUE(guard_.Take(address(), kBytes));
  std::promise<pthread_t> thread;
  std::future touched = std::async(std::launch::async, [&] {
    thread.set_value(pthread_self());
    return memory_[0];
  });
  const pthread_t id = thread.get_future().get();
  EXPECT_EQ(touched.wait_for(30ms), std::future_status::timeout);
  pthread_kill(id, SIGUSR2);
  for (int i = 0; i < 1000 && handled == 0; ++i) {
    usleep(1000);
  }
  EXPECT_EQ(handled, 1);
  EXPECT_EQ(touched.wait_for(10ms), std::future_status::timeout);
  EXPECT_TRUE(guard_.PutAllBack());
  EXPECT_EQ(touched.get(), 0);
  sigaction(SIGUSR2, &before, nullptr);
}

TEST_F(PageGuardTest, AForkedChildHasItsPages) {
  ASSERT_TRUE(guard_.Take(address(), kBytes));
  contents()[0] = 9;
  const pid_t child = fork();
  if (child == 0) {
    guard_.AfterFork();
    _exit(memory_[0] == 9 && memory_[2 * kPageBytes] == 2 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(contents()[0], 9);
}

}  // namespace
}  // namespace farlane
