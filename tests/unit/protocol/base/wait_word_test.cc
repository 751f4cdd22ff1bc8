// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/wait_word.h"

#include <chrono>
#include <cstring>
#include <future>
#include <new>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace farlane {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

constexpr size_t kPageBytes = 4096;

void* NewPage(int flags, int file) {
  return mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, flags, file, 0);
}

TEST(WaitWord, EachChangeIsSeen) {
  WaitWord ball;
  std::thread other([&ball] {
    for (uint32_t round = 0; round < 20'000; round += 2) {
      ball.Wait(round);
      ball.word().fetch_add(1);
      ball.TellOne();
    }
  });
  for (uint32_t round = 0; round < 20'000; round += 2) {
    ball.word().fetch_add(1);
    ball.TellOne();
    ball.Wait(round + 1);
  }
  other.join();
  EXPECT_EQ(ball.load(), 20'000u);
}

TEST(WaitWord, AllWhoSleepHearOfIt) {
  WaitWord word;
  std::vector<std::future<void>> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(std::async(std::launch::async, [&word] { word.Wait(0); }));
  }
  std::this_thread::sleep_for(20ms);
  word.word().store(1);
  word.TellAll();
  for (std::future<void>& one : waiting) {
    EXPECT_EQ(one.wait_for(20s), std::future_status::ready);
  }
}

// As registering memory does: its pages become those of a file, with what was in them.
TEST(WaitWord, WhoSleepsIsFoundWhenThePageHasBeenExchanged) {
  void* const page = NewPage(MAP_PRIVATE | MAP_ANONYMOUS, -1);
  ASSERT_NE(page, MAP_FAILED);
  auto* const word = new (page) WaitWord;
  std::thread sleeper([word] { word->Wait(0); });
  std::this_thread::sleep_for(100ms);  // long enough to sleep
  const int file = memfd_create("page", MFD_CLOEXEC);
  ASSERT_EQ(ftruncate(file, kPageBytes), 0);
  void* const other = NewPage(MAP_SHARED, file);
  ASSERT_NE(other, MAP_FAILED);
  memcpy(other, page, kPageBytes);
  ASSERT_EQ(mremap(other, kPageBytes, kPageBytes, MREMAP_MAYMOVE | MREMAP_FIXED, page), page);
  word->word().store(1);
  word->TellOne();
  sleeper.join();  // else the test's time runs out
  munmap(page, kPageBytes);
  close(file);
}

}  // namespace
}  // namespace farlane
