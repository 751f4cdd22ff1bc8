// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/commit_queue.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

// Keeps what is committed, takes its time, and finds what must not be. A mutex of its own, not
// Guarded: the test looks at all of it.
class SlowStore {
 public:
  farlane::Status Commit(const std::vector<Operation>& operations) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ++commits_;
      largest_ = std::max(largest_, operations.size());
      most_at_a_time_ = std::max(most_at_a_time_, ++at_a_time_);
      for (const Operation& operation : operations) {
        if (!under_way_.insert(operation.key).second) {
          keys_twice_ = true;
        }
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    const std::lock_guard<std::mutex> lock(mutex_);
    --at_a_time_;
    farlane::Status status = farlane::Status::Ok();
    for (const Operation& operation : operations) {
      under_way_.erase(operation.key);
      status = operation.value == "poison"
                   ? farlane::Status(StatusCode::kInvalidArgument, "too large")
                   : status;
    }
    for (const Operation& operation : operations) {
      if (status.ok()) {
        kept_[operation.key] = operation.value;
      }
    }
    return fails_.ok() ? status : fails_;
  }

  std::mutex mutex_;
  std::map<std::string, std::string> kept_;
  std::set<std::string> under_way_;
  farlane::Status fails_ = farlane::Status::Ok();
  size_t commits_ = 0;
  size_t largest_ = 0;
  size_t at_a_time_ = 0;
  size_t most_at_a_time_ = 0;
  bool keys_twice_ = false;
};

class CommitQueueTest : public testing::Test {
 protected:
  // So many threads, each of which puts so many, one after the other.
  void PutAll(int threads, int each, const std::function<std::string(int, int)>& key) {
    std::vector<std::thread> callers;
    for (int i = 0; i < threads; ++i) {
      callers.emplace_back([&, i] {
        for (int j = 0; j < each; ++j) {
          const std::string value = std::to_string(i) + "." + std::to_string(j);
          if (!queue_.Put({Operation::Put(key(i, j), value)}).ok()) {
            ++refused_;
            continue;
          }
          const std::lock_guard<std::mutex> lock(store_.mutex_);
          told_too_early_ = told_too_early_ || !store_.kept_.contains(key(i, j));
        }
      });
    }
    for (std::thread& caller : callers) {
      caller.join();
    }
  }

  SlowStore store_;
  CommitQueue queue_{
      [this](const std::vector<Operation>& operations) { return store_.Commit(operations); }};
  std::atomic<int> refused_ = 0;
  std::atomic<bool> told_too_early_ = false;
};

TEST_F(CommitQueueTest, ManyAtATimeGoTogether) {
  PutAll(32, 20, [](int i, int j) { return std::to_string(i) + "/" + std::to_string(j); });
  EXPECT_EQ(store_.kept_.size(), 640u);
  EXPECT_EQ(refused_, 0);
  EXPECT_FALSE(told_too_early_);
  EXPECT_LT(store_.commits_, 320u);
  EXPECT_GT(store_.largest_, 4u);
  EXPECT_EQ(store_.most_at_a_time_, 2u);
}

TEST_F(CommitQueueTest, OneKeyIsChangedInOrderAndNeverTwiceAtATime) {
  PutAll(16, 50, [](int /*i*/, int j) { return "key" + std::to_string(j % 3); });
  EXPECT_FALSE(store_.keys_twice_);
  EXPECT_EQ(store_.kept_.size(), 3u);
  for (int j = 0; j < 20; ++j) {  // one caller's last word is what is kept
    ASSERT_TRUE(queue_.Put({Operation::Put("own", std::to_string(j))}).ok());
  }
  EXPECT_EQ(store_.kept_["own"], "19");
}

TEST_F(CommitQueueTest, ATransactionHasNoMoreThanTheStoreTakes) {
  std::vector<std::thread> callers;
  for (int i = 0; i < 6; ++i) {
    callers.emplace_back([this, i] {
      std::vector<Operation> operations;
      for (int j = 0; j < 50; ++j) {
        operations.push_back(Operation::Delete(std::to_string(i) + "/" + std::to_string(j)));
      }
      EXPECT_TRUE(queue_.Put(std::move(operations)).ok());
    });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  EXPECT_LE(store_.largest_, kOperationsMax);
  EXPECT_EQ(store_.kept_.size(), 300u);
}

TEST_F(CommitQueueTest, WhatCannotBeStoredHarmsNobodyElse) {
  std::vector<std::thread> callers;
  std::atomic<int> failed = 0;
  for (int i = 0; i < 24; ++i) {
    callers.emplace_back([this, i, &failed] {
      const std::string value = i % 6 == 0 ? "poison" : "good";
      failed += queue_.Put({Operation::Put(std::to_string(i), value)}).ok() ? 0 : 1;
    });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  EXPECT_EQ(failed, 4);
  EXPECT_EQ(store_.kept_.size(), 20u);
}

TEST_F(CommitQueueTest, WhatIsNotKnownIsNotTriedAgainByItself) {
  store_.fails_ = farlane::Status(store_error::kUnknown, "no answer");
  PutAll(8, 1, [](int i, int /*j*/) { return std::to_string(i); });
  EXPECT_EQ(refused_, 8);
  EXPECT_LE(store_.commits_, 8u);
}

}  // namespace
}  // namespace farlane::pool
