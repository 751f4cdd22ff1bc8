// SPDX-License-Identifier: Apache-2.0
// What the manager was told on its command line.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pool-manager/placement/placement_setup.h"
#include "protocol/base/log.h"

namespace farlane::pool {

struct Options {
  std::string listen = "127.0.0.1:7443";  // where people and clients come: HTTP
  std::string listen_servers;             // where GPU servers come: gRPC; empty: a port further
  std::string state_dir;                  // what must survive
  std::vector<std::string> etcd;          // HOST:PORT each; none: SQLite in the folder
  std::string name = "default";
  std::string restore;  // a backup to put in the place of what is stored, and end
  PlacementWords placement;
  std::string token;     // of people and clients; empty: none is asked for
  std::string join_key;  // of servers
  bool insecure = false;
  int ready_fd = -1;
  int watch_fd = -1;
  std::optional<LogLevel> log_level;
};

struct CommandLine {
  Options options;
  std::optional<int> exit;  // the line asked for help or the version, or is wrong: end with this
};

CommandLine ReadCommandLine(int argc, char** argv, const std::string& version);

}  // namespace farlane::pool
