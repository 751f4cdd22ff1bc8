// SPDX-License-Identifier: Apache-2.0
// A worker is the process that executes one client's commands: it loads the driver, locks itself
// in, waits for its client's connection and ends with it. What a client breaks, it breaks here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

#include "gpu-server/driver/driver.h"
#include "gpu-server/driver/mps.h"
#include "protocol/base/fd.h"

namespace farlane::server {

struct WorkerConfig {
  std::vector<DriverCandidate> drivers;
  std::string visible{};  // what it sees, as CUDA_VISIBLE_DEVICES names it; empty: every device
  MpsPart mps{};
  uint8_t boot[16] = {};
  uint32_t grace = 0;           // for so many seconds a silent client is waited for; 0: for ever
  uint64_t command_max_ns = 0;  // a command takes no longer, or its client ends; 0: any time
  bool tls = false;             // clients may come under TLS
  bool soils_memory = true;     // when it tests what fresh memory holds: else it only looks
  bool tests_memory = true;
  std::string state_dir;  // where the next daemon looks for workers; empty: none does
};

// The life of a worker, in the process that was forked for it. `inherited` leads to the daemon.
[[noreturn]] void RunWorker(Fd inherited, pid_t daemon, const WorkerConfig& config);

}  // namespace farlane::server
