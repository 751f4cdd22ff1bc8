// SPDX-License-Identifier: Apache-2.0
// A Tape has a cell for each of many operations, and one operation writes each cell, once. So an
// operation that the driver has refused behind its caller's back shows as a cell that was not
// written, and whoever counts both finds an error that was lost, or told without one.
#pragma once

#include <atomic>
#include <iterator>
#include <memory>

#include "tests/system/client/program/random_walk.h"

namespace farlane::cases {

// Thread: the one that walks.
class Tape {
 public:
  Tape(Walk& walk, const Kernels& kernels);

  // Writes the next cell, in one of several ways.
  void Step();
  // Compares all cells with what was done, and counts what is missing.
  void Verify();
  void End();

 private:
  static constexpr const char* kKinds[] = {"memset16", "copy2d", "cooperative", "host"};
  static constexpr size_t kKindsCount = std::size(kKinds);

  CUresult Write(size_t kind, size_t cell);
  CUresult CopyOnes(CUdeviceptr to);
  CUresult LaunchOn(CUdeviceptr cell);

  Walk& walk_;
  const Kernels kernels_;
  const size_t cells_max_;
  CUdeviceptr cells_ = 0;  // of 8 bytes each
  CUdeviceptr ones_ = 0;
  std::vector<size_t> kinds_;                    // of each cell that was used
  std::vector<bool> done_;                       // as far as their own calls have told
  std::unique_ptr<std::atomic<bool>[]> called_;  // what host functions write
};

}  // namespace farlane::cases
