// SPDX-License-Identifier: Apache-2.0
// Event remembers the place in a stream at which it was recorded last. What waits for it waits for
// that place, even if it is recorded again meanwhile.
#pragma once

#include <cstdint>
#include <memory>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/guarded.h"
#include "soft-gpu/device/completion.h"
#include "soft-gpu/device/shared_events.h"

namespace farlane::soft {

class Context;

// Shared by the handle table and by calls that use it.
// Thread: any, guarded.
class Event {
 public:
  // `shared` is null for an event that only this process uses.
  Event(uint64_t handle,
        std::shared_ptr<Context> context,
        uint32_t flags,
        std::shared_ptr<SharedEvent> shared = nullptr)
      : handle_(handle), context_(std::move(context)), flags_(flags), shared_(std::move(shared)) {}

  uint64_t handle() const { return handle_; }

  void Record(SharedCompletion place) {
    place_.With([&](SharedCompletion& held) { held = std::move(place); });
  }

  // Null if it was never recorded.
  SharedCompletion place() const {
    return place_.With([](const SharedCompletion& held) { return held; });
  }

  // What other processes see of it: then it has no place of its own.
  const std::shared_ptr<SharedEvent>& shared() const { return shared_; }

  bool done() const {
    if (shared_ != nullptr) {
      return shared_->IsDone(shared_->last());
    }
    const SharedCompletion held = place();
    return held == nullptr || held->done();
  }

  void Wait() const {
    if (shared_ != nullptr) {
      shared_->Wait(shared_->last());
    } else if (const SharedCompletion held = place()) {
      held->Wait();
    }
  }

  const std::shared_ptr<Context>& context() const { return context_; }

  bool timed() const { return (flags_ & CU_EVENT_DISABLE_TIMING) == 0; }

 private:
  uint64_t handle_;
  std::shared_ptr<Context> context_;  // shared with the driver, so that late calls find it
  uint32_t flags_;
  std::shared_ptr<SharedEvent> shared_;  // shared with work that is under way
  Guarded<SharedCompletion> place_;
};

}  // namespace farlane::soft
