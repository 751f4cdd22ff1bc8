// SPDX-License-Identifier: Apache-2.0
// Mps makes the processes that load a driver clients of NVIDIA's Multi-Process Service, each with a
// part of the processors and of the memory, so that they work on a device at the same time. The
// service is started and ended by whoever runs the machine. The variables are those of NVIDIA's MPS
// guide, "Appendix: Environment Variables"; nothing of this was seen with a real service.
#pragma once

#include <cstddef>
#include <cstdint>

#include "protocol/base/result.h"

namespace farlane::server {

struct MpsPart {
  uint32_t percent = 0;       // of the processors that one process may use; 0: MPS is not asked for
  uint64_t memory_bytes = 0;  // of each device, that it may have; 0: all
  size_t devices_count = 1;   // that it sees

  bool wanted() const { return percent != 0; }
};

// Whether the service is there. A driver that does not find it goes on without, and without parts.
Status CheckMps();

// Before a driver is loaded in this process, which reads the environment once.
void JoinMps(const MpsPart& part);

}  // namespace farlane::server
