// SPDX-License-Identifier: Apache-2.0
// Grid is one launch under way: its blocks are handed out in order of their number to whoever works
// on it, and the first fault ends it. A block may wait for one with a smaller number, never for one
// with a greater, unless the grid is cooperative: that is why the order matters.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include <pthread.h>

#include "protocol/base/guarded.h"
#include "soft-gpu/exec/launch.h"
#include "soft-gpu/jit/jit_engine.h"

namespace farlane::soft {

// What a kernel is made of, ready to run.
// Thread: immutable.
struct KernelCode {
  jit::Routine routine;
  uint64_t parameter_bytes = 0;
  uint64_t static_shared_bytes = 0;
  uint64_t local_bytes = 0;
  bool needs_stack = false;     // of the launch's size, beside its local memory
  uint64_t functions_base = 0;  // see jit::BlockFrame
  bool uses_heap = false;
  bool uses_grid_workspace = false;
  const uint64_t* symbols = nullptr;  // the program's, by variable index
};

// Thread: any, guarded.
class Grid {
 public:
  // `workspace` is zeroed device memory for a cooperative grid's barrier, 0 if it needs none.
  Grid(const KernelCode& code,
       const LaunchShape& shape,
       std::span<const std::byte> parameters,
       uint64_t workspace);

  const KernelCode& code() const { return code_; }

  const LaunchShape& shape() const { return shape_; }

  std::span<const std::byte> parameters() const { return parameters_; }

  uint64_t workspace() const { return workspace_; }

  uint64_t grid_id() const { return grid_id_; }

  uint64_t blocks_count() const { return blocks_count_; }

  // Takes the next blocks [first, end); false when there are none or the grid has failed.
  bool Take(uint64_t* first, uint64_t* end);

  // How many were taken; grows for as long as the grid gets on.
  uint64_t blocks_taken() const { return next_.load(std::memory_order_relaxed); }

  // Only the first failure is kept.
  void Fail(LaunchOutcome outcome);
  // Fails the grid and interrupts all threads at work on it. One that is in the runtime just then
  // goes on, so this is called until nobody is left.
  void Stop(LaunchOutcome outcome);
  // For a grid that has failed: returns when no thread is at work on it any more.
  void AwaitLeaving();

  // While one exists, its thread is at work on the grid and can be interrupted.
  // Thread: the one that made it.
  class Presence {
   public:
    explicit Presence(Grid& grid);
    ~Presence();
    Presence(const Presence&) = delete;
    Presence& operator=(const Presence&) = delete;

   private:
    Grid& grid_;
  };

  // Adds to what the grid's threads print.
  void Print(std::string text);
  std::string TakeText();

  bool has_failed() const { return failed_.load(std::memory_order_relaxed); }

  const std::atomic<bool>& failed() const { return failed_; }

  LaunchOutcome outcome() const;

 private:
  // Interrupts whoever is present; false if nobody is.
  bool Interrupt();

  const KernelCode& code_;
  const LaunchShape shape_;
  const std::span<const std::byte> parameters_;
  const uint64_t workspace_;
  const uint64_t grid_id_;
  const uint64_t blocks_count_;
  const uint64_t chunk_;
  std::atomic<uint64_t> next_{0};
  std::atomic<bool> failed_{false};
  Guarded<LaunchOutcome> outcome_;
  Guarded<std::string> text_;
  Guarded<std::vector<pthread_t>> present_;
};

}  // namespace farlane::soft
