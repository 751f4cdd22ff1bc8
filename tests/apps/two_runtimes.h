// SPDX-License-Identifier: Apache-2.0
// What two_runtimes.cu knows of the library that it loads, which has a CUDA runtime of its own.
#pragma once

#include <cuda_runtime_api.h>

namespace apps {

constexpr unsigned kPartBias = 29;

// What the library's kernel makes of a cell.
inline unsigned PartStep(unsigned cell) {
  return cell * 5 + kPartBias;
}

// Results are cudaError_t. Thread: caller's.
struct Part {
  void* (*registrar)();  // a function of the library's runtime
  int (*step)(unsigned* cells, unsigned count, cudaStream_t stream);
  int (*step_behind)(unsigned* cells, unsigned count, cudaEvent_t event);
  int (*synchronize)();
  int (*read_bias)(unsigned* bias);
  int (*allocate)(unsigned** cells, unsigned count);
  int (*free)(unsigned* cells);
  int (*fail)();
  int (*last_error)();
};

}  // namespace apps
