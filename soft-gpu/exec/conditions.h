// SPDX-License-Identifier: Apache-2.0
// Conditions are the values by which the conditional nodes of one graph that is ready to run
// choose. Kernels of that graph set them, so which graph a kernel is part of goes with its launch:
// the thread that runs a graph's nodes says it (Scope), and launches of that thread take it over.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>

namespace farlane::soft {

// The numbers are fixed before the first launch. Thread: any.
class Conditions {
 public:
  // Not while it is in use.
  void Add(uint64_t number, uint32_t value) { values_[number].store(value); }

  // False for a number that is none of this graph's.
  bool Set(uint64_t number, uint32_t value) {
    const auto found = values_.find(number);
    if (found == values_.end()) {
      return false;
    }
    found->second.store(value, std::memory_order_relaxed);
    return true;
  }

  // 0 for a number that is none of this graph's.
  uint32_t Get(uint64_t number) const {
    const auto found = values_.find(number);
    return found == values_.end() ? 0 : found->second.load(std::memory_order_relaxed);
  }

  // Those of the graph whose nodes this thread runs; null for none.
  static Conditions* OfThread() { return of_thread_; }

  // Thread: the one that made it.
  class Scope {
   public:
    explicit Scope(Conditions* conditions_or_null) { of_thread_ = conditions_or_null; }

    ~Scope() { of_thread_ = nullptr; }

    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
  };

 private:
  inline static thread_local Conditions* of_thread_ = nullptr;

  std::map<uint64_t, std::atomic<uint32_t>> values_;
};

}  // namespace farlane::soft
