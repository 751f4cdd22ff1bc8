// SPDX-License-Identifier: Apache-2.0
// Worker runs blocks of a grid, one at a time, on the thread that calls it. It keeps the memory
// blocks need from one launch to the next.
#pragma once

#include <cstdint>

#include "soft-gpu/exec/arena.h"
#include "soft-gpu/exec/grid.h"
#include "soft-gpu/jit/block_frame.h"

namespace farlane::soft {

// Thread: one at a time.
class Worker {
 public:
  // `number` stands for the multiprocessor, of `workers_count`.
  Worker(uint32_t number, uint32_t workers_count);

  // Works on the grid until no block is left to take or it has failed.
  void Work(Grid& grid);

  // The worker whose compiled code the calling thread is in; null if none.
  static Worker* CurrentOrNull();

  // Who the fault is about; called by the runtime's functions just before they leave.
  void NoteThread(uint32_t linear) { faulting_thread_ = linear; }

  Grid& grid() { return *grid_; }

  const jit::BlockFrame& frame() const { return frame_; }

 private:
  Status Prepare(Grid& grid);
  void RunBlocks();
  void PlaceBlock(uint64_t number);
  void Report(const struct GuardedEnd& end);

  const uint32_t number_;
  const uint32_t workers_count_;
  Arena arena_;
  Grid* grid_ = nullptr;
  jit::BlockFrame frame_;
  uint32_t faulting_thread_ = 0;
};

}  // namespace farlane::soft
