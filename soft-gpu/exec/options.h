// SPDX-License-Identifier: Apache-2.0
// ExecutionOptions is how the process wants its kernels run. It is set once, before the first
// program is loaded, by whoever reads the environment; nothing below looks at the environment.
#pragma once

#include <cstdint>
#include <string>

namespace farlane::soft {

struct ExecutionOptions {
  bool check = false;        // every access against the allocations; see allocations.h
  bool fibers_only = false;  // each thread that may wait has a processor stack of its own
  uint64_t grid_ns_max = 0;  // a grid that runs longer is ended; 0: it may run for ever
  uint32_t threads = 0;      // at work on grids; 0: as many as the process may use processors
  std::string cache_directory = {};  // of compiled kernels; empty: they are not kept
  uint64_t cache_bytes_max = 0;
};

void SetExecutionOptions(const ExecutionOptions& options);
const ExecutionOptions& CurrentExecutionOptions();

}  // namespace farlane::soft
