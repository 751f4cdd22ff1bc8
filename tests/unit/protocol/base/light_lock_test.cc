// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/light_lock.h"

#include <chrono>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace farlane {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

TEST(LightLock, OneThreadAtATime) {
  LightLock lock;
  uint64_t sum = 0;  // no atomic: two at a time would lose some
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 100'000; ++round) {
        const std::lock_guard<LightLock> held(lock);
        sum = sum + 1;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(sum, 400'000u);
}

TEST(LightLock, WhoWaitsGoesOnWhenItIsFree) {
  LightLock lock;
  lock.lock();
  std::vector<std::future<void>> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.push_back(std::async(std::launch::async, [&lock] {
      const std::lock_guard<LightLock> held(lock);
      std::this_thread::sleep_for(5ms);
    }));
  }
  EXPECT_EQ(waiting[0].wait_for(50ms), std::future_status::timeout);
  lock.unlock();
  for (std::future<void>& one : waiting) {
    EXPECT_EQ(one.wait_for(10s), std::future_status::ready) << "nobody has woken it";
  }
}

TEST(LightLock, IsNotTakenTwice) {
  LightLock lock;
  EXPECT_TRUE(lock.try_lock());
  EXPECT_FALSE(lock.try_lock());
  lock.unlock();
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
}

}  // namespace
}  // namespace farlane
