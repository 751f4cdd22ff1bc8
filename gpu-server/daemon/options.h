// SPDX-License-Identifier: Apache-2.0
// What the daemon was told on its command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gpu-server/daemon/pool_link.h"
#include "gpu-server/daemon/secret.h"
#include "protocol/base/log.h"
#include "protocol/base/net_rate.h"
#include "protocol/base/result.h"
#include "protocol/base/slice.h"
#include "protocol/channel/pulse.h"
#include "protocol/transport/tls.h"

namespace farlane::server {

struct Options {
  std::vector<std::string> listen;
  std::string driver = "auto";
  uint64_t memory_bytes = 0;  // 0: what each device has
  uint32_t warm = 1;
  uint32_t grace = channel::kGraceLooks;  // for so many seconds a silent client is waited for
  uint64_t command_max_ns = 0;            // for so long a command may be worked on; 0: for ever
  std::string state_dir;  // where a restarted daemon finds its workers; empty: they end with it
  std::string control;    // where the operator asks about sessions; empty: nowhere
  Secret token;           // of the token file; empty: no token is asked for
  transport::TlsServerSettings tls;  // for addresses of tls://
  PoolSettings pool;
  bool insecure = false;
  bool divides_time = true;         // of the devices, among sessions
  std::string policy = "built-in";  // who says whose turn it is
  NetRate net_rate = 0;  // of the link by which clients come, in each direction; 0: not known
  // Whether workers zero memory before clients get it: where the driver does not (auto), always, or
  // never unless a session asks for more isolation.
  std::string zero_memory = "auto";
  uint32_t mps_percent = 0;     // of the processors, that each worker has under MPS; 0: no MPS
  bool finds_instances = true;  // MIG instances of divided GPUs, each of them a device
  uint32_t slices_max = 0;      // sessions on one device; 0: as many as come
  Isolation isolation_min = Isolation::kShared;  // that every session has at least
  int ready_fd = -1;
  int watch_fd = -1;
  std::optional<LogLevel> log_level;
};

// What to do after reading the command line.
struct CommandLine {
  Options options;
  std::optional<int> exit;  // the line asked for help or the version, or is wrong: end with this
};

// Reads the line; prints what it asks for, or what is wrong with it.
CommandLine ReadCommandLine(int argc, char** argv, const std::string& version);

}  // namespace farlane::server
