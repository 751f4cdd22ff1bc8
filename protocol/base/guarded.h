// SPDX-License-Identifier: Apache-2.0
// Guarded<T> lets several threads share a T: the only way in is With, which holds the lock for as
// long as the given function runs. No lock of ours is held across a driver call or a send unless
// the class says so.
#pragma once

#include <mutex>
#include <utility>

namespace farlane {

// Thread: any, guarded.
template <typename T>
class Guarded {
 public:
  Guarded() = default;

  explicit Guarded(T value) : value_(std::move(value)) {}

  // For a T that cannot be moved.
  template <typename... Arguments>
  explicit Guarded(std::in_place_t, Arguments&&... arguments)
      : value_(std::forward<Arguments>(arguments)...) {}

  template <typename F>
  decltype(auto) With(F&& function) {
    std::lock_guard<std::mutex> lock(mutex_);
    return std::forward<F>(function)(value_);
  }

  template <typename F>
  decltype(auto) With(F&& function) const {
    std::lock_guard<std::mutex> lock(mutex_);
    return std::forward<F>(function)(value_);
  }

 private:
  mutable std::mutex mutex_;
  T value_{};
};

}  // namespace farlane
