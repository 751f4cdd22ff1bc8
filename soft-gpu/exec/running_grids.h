// SPDX-License-Identifier: Apache-2.0
// RunningGrids knows every grid under way in the process, so that it can be ended from outside: the
// grids of a context that is taken down, and those that run longer than they may.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "protocol/base/guarded.h"
#include "soft-gpu/exec/grid.h"

namespace farlane::soft {

// Thread: any, guarded.
class RunningGrids {
 public:
  static RunningGrids& Instance();

  // While one exists, its grid can be ended from outside.
  // Thread: the launching one.
  class Entry {
   public:
    explicit Entry(Grid& grid) : grid_(grid) { Instance().Add(grid_); }

    ~Entry() { Instance().Remove(grid_); }

    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

   private:
    Grid& grid_;
  };

 private:
  friend class GridStopper;

  struct Running {
    Grid* grid = nullptr;
    uint64_t deadline_ns = 0;  // 0: none
  };

  using List = std::vector<Running>;

  void Add(Grid& grid);
  void Remove(Grid& grid);
  void StartWatchOnce();
  [[noreturn]] void Watch();

  Guarded<List> running_;
};

// Ends the grids of one owner that get nowhere. A grid that still finishes blocks is not endless:
// it keeps its time for as long as another block ends within the patience.
// Thread: the one that made it.
class GridStopper {
 public:
  GridStopper(uint64_t owner, uint64_t patience_ns) : owner_(owner), patience_ns_(patience_ns) {}

  // Looks once; to be called again and again, about every millisecond, until the work is over.
  void Look();

 private:
  struct Progress {
    uint64_t blocks_taken = 0;
    uint64_t since_ns = 0;
  };

  const uint64_t owner_;
  const uint64_t patience_ns_;
  std::unordered_map<uint64_t, Progress> seen_;  // by grid id
};

}  // namespace farlane::soft
