// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/running_grids.h"

#include <chrono>
#include <mutex>
#include <thread>

#include "protocol/base/clock.h"
#include "soft-gpu/exec/options.h"
#include "soft-gpu/exec/signals_blocked.h"

namespace farlane::soft {
namespace {

constexpr std::chrono::milliseconds kWatchPause{2};

}  // namespace

RunningGrids& RunningGrids::Instance() {
  // Never destroyed: its watching thread ends with the process.
  static RunningGrids* const grids = new RunningGrids;
  return *grids;
}

void RunningGrids::Add(Grid& grid) {
  const uint64_t ns_max = CurrentExecutionOptions().grid_ns_max;
  const uint64_t deadline_ns = ns_max == 0 ? 0 : NowNs() + ns_max;
  running_.With([&](List& running) { running.push_back({&grid, deadline_ns}); });
  if (deadline_ns != 0) {
    StartWatchOnce();
  }
}

void RunningGrids::Remove(Grid& grid) {
  running_.With([&](List& running) {
    std::erase_if(running, [&](const Running& one) { return one.grid == &grid; });
  });
}

void RunningGrids::StartWatchOnce() {
  static std::once_flag once;
  std::call_once(once, [this] {
    const SignalsBlocked blocked;
    std::thread([this] { Watch(); }).detach();
  });
}

void RunningGrids::Watch() {
  for (;;) {
    const uint64_t now = NowNs();
    running_.With([&](List& running) {
      for (const Running& one : running) {
        if (one.deadline_ns != 0 && now > one.deadline_ns) {
          one.grid->Stop({Fault::kTimeout, "it ran longer than grids may"});
        }
      }
    });
    std::this_thread::sleep_for(kWatchPause);
  }
}

void GridStopper::Look() {
  const uint64_t now = NowNs();
  RunningGrids::Instance().running_.With([&](RunningGrids::List& running) {
    for (const RunningGrids::Running& one : running) {
      Grid& grid = *one.grid;
      if (grid.shape().owner != owner_) {
        continue;
      }
      const auto [known, is_new] = seen_.try_emplace(grid.grid_id());
      Progress& progress = known->second;
      if (is_new || progress.blocks_taken != grid.blocks_taken()) {
        progress = {grid.blocks_taken(), now};
      }
      if (now - progress.since_ns >= patience_ns_) {
        grid.Stop({Fault::kStopped, "its context was taken down"});
      }
    }
  });
}

}  // namespace farlane::soft
