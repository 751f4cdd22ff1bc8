// SPDX-License-Identifier: Apache-2.0
// What one thread of a test gives and another waits for, once.
//
// Copies are the same signal, so a thread that captures it by value may still give it or wait for
// it when the test that made it has returned. A std::promise or std::latch on the test's stack may
// not: whoever waits can destroy it while the other is still inside the call that gives it.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

namespace farlane::testing {

class Signal {
 public:
  void Give() const {
    const std::scoped_lock lock(state_->mutex);
    state_->given = true;
    state_->changed.notify_all();
  }

  void Wait() const {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait(lock, [this] { return state_->given; });
  }

 private:
  struct State {
    std::mutex mutex;  // not Guarded: a condition variable waits with it
    std::condition_variable changed;
    bool given = false;
  };

  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace farlane::testing
