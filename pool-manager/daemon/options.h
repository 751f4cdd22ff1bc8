// SPDX-License-Identifier: Apache-2.0
// What the manager was told on its command line.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pool-manager/placement/placement_setup.h"
#include "pool-manager/trust/token_desk.h"
#include "protocol/base/log.h"

namespace farlane::pool {

struct Options {
  std::string listen = "127.0.0.1:7443";  // where people and clients come: HTTP
  std::string listen_servers;             // where GPU servers come: gRPC; empty: a port further
  std::string state_dir;                  // what must survive
  std::vector<std::string> etcd;          // HOST:PORT each; none: SQLite in the folder
  std::string name = "default";
  PlacementWords placement;
  int64_t keep_ended_ms = 0;        // sessions that are over
  uint32_t report_ms_max = 15'000;  // servers are heard at least this often
  std::string restore;              // a backup to put in the place of what is stored, and end
  std::string token;                // of people and clients; empty: there is none
  // Who shows no token, though there is none to be had.
  TokenDesk::Strangers strangers = TokenDesk::Strangers::kRefused;
  std::string join_key;        // of servers; empty: there is none
  bool local_servers = false;  // only programs of its own user's may join without one
  std::string certificate;     // PEM, of what people see; empty: the pool's own, or none
  std::string certificate_key;
  std::string seal_key_file;       // opens what is sealed in `state_dir`; empty: it lies there
  std::vector<std::string> names;  // of this manager, for its own certificate
  bool tls = false;
  bool init = false;                 // make what there is to be made, and end
  std::vector<std::string> certify;  // make a certificate for a server of these names, and end
  std::string certify_to;            // into this ".pem" and ".key"
  std::optional<std::string> audit;  // go through the audit log in this folder, and end
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
