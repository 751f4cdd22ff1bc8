// SPDX-License-Identifier: Apache-2.0
// WorkerPool runs grids on all processors: the thread that launches works too, and so do as many
// threads of the pool as there are further processors. There is one pool per process, since there
// is one set of processors. The blocks of a cooperative grid have to run together, so such a grid
// gets a thread per block for its time.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "protocol/base/guarded.h"
#include "soft-gpu/exec/grid.h"
#include "soft-gpu/exec/worker.h"

namespace farlane::soft {

// Thread: any, guarded.
class WorkerPool {
 public:
  // The process's pool. Its threads start with the first grid that has work for them, and end with
  // the process.
  static WorkerPool& Instance();

  // Runs all blocks; returns when none is under way any more.
  void Run(Grid& grid);

  uint32_t workers_count() const { return workers_count_; }

  // How many work on a grid at most: of a part of the processors as large a part of them.
  uint32_t WorkersFor(const LaunchShape& shape) const;

 private:
  struct Queue;

  explicit WorkerPool(uint32_t workers_count);

  void RunTogether(Grid& grid);
  void StartThreadsOnce();
  void Serve(uint32_t number);
  std::unique_ptr<Worker> Borrow();

  const uint32_t workers_count_;
  std::unique_ptr<Queue> queue_;
  Guarded<std::vector<std::unique_ptr<Worker>>> idle_;
};

}  // namespace farlane::soft
