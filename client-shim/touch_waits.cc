// SPDX-License-Identifier: Apache-2.0
#include "client-shim/touch_waits.h"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <thread>

#include <sys/prctl.h>

#include "client-shim/session.h"
#include "protocol/base/log.h"

namespace farlane::shim {
namespace {

// So long somebody is held who may be what a kernel waits for. Longer than most kernels run.
constexpr std::chrono::seconds kHeldMax{10};

// The end of one wait.
class Outcome {
 public:
  void Finish() {
    const std::lock_guard lock(mutex_);
    finished_ = true;
    changed_.notify_all();
  }

  bool FinishedWithin(std::chrono::seconds limit) {
    std::unique_lock lock(mutex_);
    // By the system's clock: to wait by the steady one is newer than glibc 2.28.
    return changed_.wait_until(lock, std::chrono::system_clock::now() + limit,
                               [this] { return finished_; });
  }

 private:
  std::mutex mutex_;  // not Guarded: it is waited for
  std::condition_variable changed_;
  bool finished_ = false;
};

}  // namespace

bool TouchWaits::works() {
  return session_.config().touch_waits && guard_.works();
}

bool TouchWaits::MayHold(wire::Handle context) {
  return !gave_up_.load(std::memory_order_relaxed) && !session_.host_calls().any() &&
         !session_.stream_waits().any(context);
}

void TouchWaits::Hold(wire::Handle context, uint64_t address, uint64_t bytes) {
  context_.store(context, std::memory_order_relaxed);
  guard_.Take(address, bytes);
}

// On the guard's thread, while somebody waits. The waiting has a thread of its own, since it cannot
// be broken off.
void TouchWaits::OnTouch() {
  Outcome outcome;
  // Who goes on may start the next kernel before this ends, and is held for that one again.
  const uint64_t takes = guard_.takes();
  std::thread waiter([this, &outcome, takes] {
    prctl(PR_SET_NAME, "farlane-touch");
    for (size_t device = 0; device < session_.devices().size(); ++device) {
      session_.Quiesce(session_.first_device() + static_cast<int32_t>(device));
    }
    session_.mirrored().Fetch(context_.load(std::memory_order_relaxed));
    guard_.PutBackUntil(takes);  // also after a failure, which the program's next call tells
    outcome.Finish();
  });
  if (!outcome.FinishedWithin(kHeldMax)) {
    gave_up_.store(true);
    LogWarn(
        "the program has waited for 10 s to use managed memory that a kernel may be using; it goes "
        "on, and does not wait again");
    while (!guard_.PutAllBack() && !outcome.FinishedWithin(std::chrono::seconds(1))) {
    }
  }
  waiter.join();
}

}  // namespace farlane::shim
