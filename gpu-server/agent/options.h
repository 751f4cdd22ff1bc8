// SPDX-License-Identifier: Apache-2.0
// What the agent is told on its command line, by the server that starts it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "protocol/token/session_token.h"

namespace farlane::agent {

struct Options {
  std::string pool;                    // HOST:PORT of the manager, where servers attach
  std::string key;                     // that the pool asks servers for; empty: none
  std::string name;                    // of this server, for people
  std::string control;                 // where the server's session service answers
  std::vector<std::string> addresses;  // where clients come
  std::map<std::string, std::string> labels;
  std::string ca_file;  // the pool's authority, in PEM
  std::string ca_pin;   // or the digest of its certificate; both empty: nothing is encrypted
  std::string folder;   // where the server's own certificate is kept; empty: nowhere
  bool insecure = false;
  token::Id server{};
  int link_fd = -1;  // to the server
};

// Nothing: the line is wrong, and has been complained about.
std::optional<Options> ReadCommandLine(int argc, char** argv);

}  // namespace farlane::agent
