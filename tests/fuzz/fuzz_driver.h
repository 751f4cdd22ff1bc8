// SPDX-License-Identifier: Apache-2.0
// FuzzDriver is what stands behind a session that is fuzzed: it agrees to every call, has kernels
// and variables in every image, records graphs, runs host functions on a thread of its own, reads
// and writes all host memory that a copy names, and fails where the input says so.
#pragma once

#include <cstdint>
#include <vector>

#include "gpu-server/driver/driver_table.h"

namespace farlane::server {

// A call of the driver fails: the one with this number, counted from the beginning.
struct PlannedFailure {
  uint32_t turn = 0;
  CUresult result = CUDA_SUCCESS;
};

// One at a time, because functions of a table carry no object.
// Thread: any, guarded.
class FuzzDriver {
 public:
  // All that was before is over.
  static const DriverTable& Begin(std::vector<PlannedFailure> failures);

  // Whether nothing happens by itself any more: no host function runs, or one that waits for the
  // client, who has heard of `told` of them.
  static bool IsSettled(uint64_t told);

  // Whether a host function waits for the client.
  static bool Waits(uint64_t told);

  // Waits until every host function has returned.
  static void Drain();
};

}  // namespace farlane::server
