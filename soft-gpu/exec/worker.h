// SPDX-License-Identifier: Apache-2.0
// Worker runs blocks of a grid, one at a time, on the thread that calls it. It keeps the memory
// blocks need from one launch to the next.
#pragma once

#include <cstdint>

#include "soft-gpu/exec/access_check.h"
#include "soft-gpu/exec/arena.h"
#include "soft-gpu/exec/block_threads.h"
#include "soft-gpu/exec/device_text.h"
#include "soft-gpu/exec/fault_guard.h"
#include "soft-gpu/exec/grid.h"
#include "soft-gpu/jit/block_frame.h"

namespace farlane::soft {

// The arguments of a failed assertion: addresses of strings, and a line.
struct Assertion {
  uint64_t message = 0;
  uint64_t file = 0;
  uint64_t line = 0;
  uint64_t function = 0;
};

// Thread: one at a time.
class Worker {
 public:
  // `number` stands for the multiprocessor, of `workers_count`.
  Worker(uint32_t number, uint32_t workers_count);

  // Makes room for the grid's blocks.
  Status Prepare(Grid& grid);
  // Works on the grid until no block is left to take or it has failed. Prepares, if need be.
  void Work(Grid& grid);

  // The worker whose compiled code the calling thread is in; null if none.
  static Worker* CurrentOrNull();

  // Who the fault is about; called by the runtime's functions just before they leave.
  void NoteThread(uint32_t linear) { faulting_thread_ = linear; }

  // What it did there; see jit/runtime_function.h.
  void NoteAccess(uint32_t cause, uint64_t place) {
    faulting_cause_ = cause;
    faulting_place_ = place;
  }

  Grid& grid() { return *grid_; }

  const jit::BlockFrame& frame() const { return frame_; }

  // The threads of the block, if they can wait.
  BlockThreads& threads() { return threads_; }

  DeviceText& text() { return text_; }

  AccessCheck& access_check() { return access_check_; }

  // Says what a failed assertion is about, before its thread leaves.
  void NoteAssertion(const jit::BlockFrame& block, uint32_t linear, const Assertion& assertion);

 private:
  GuardedEnd RunInterruptible();
  void RunBlocks();
  void RunBlock();
  void PlaceBlock(uint64_t number);
  void Report(const GuardedEnd& end);
  std::string Place() const;  // block and thread of the fault, for people
  std::string Access(const GuardedEnd& end) const;

  const uint32_t number_;
  const uint32_t workers_count_;
  Arena arena_;
  BlockThreads threads_;
  DeviceText text_;
  std::string assertion_;
  std::string words_[3];  // scratch of NoteAssertion, which a fault may leave
  Grid* grid_ = nullptr;
  jit::BlockFrame frame_;
  AccessCheck access_check_;
  uint32_t faulting_thread_ = 0;
  uint32_t faulting_cause_ = 0;
  uint64_t faulting_place_ = 0;  // 0: not known
};

}  // namespace farlane::soft
