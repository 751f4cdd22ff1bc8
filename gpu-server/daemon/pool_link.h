// SPDX-License-Identifier: Apache-2.0
// PoolLink is the daemon's side of its conversation with the agent, who speaks with the pool's
// manager and judges the tokens of those who come. The agent is a program of its own; when it ends,
// who was being judged then is refused, nobody else is.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "gpu-server/daemon/kept_child.h"
#include "protocol/wire/hello.h"

namespace farlane::server {

struct PoolSettings {
  std::string manager;   // HOST:PORT; empty: this server belongs to no pool
  std::string key_file;  // the pool's join key is on its first line; empty: there is none
  std::string name;      // of this server, for people
  std::vector<std::string> advertised;  // where clients come; empty: where the server listens
  std::vector<std::string> labels;      // "KEY=VALUE"
};

// Thread: the daemon's main thread, which must be the process's only one.
class PoolLink {
 public:
  // Once, when clients may come. `server_id` stays the same when the server is restarted, if it
  // can; `control` is where the session service answers.
  Status Start(const PoolSettings& settings,
               const std::string& server_id,
               const std::string& control);

  // For poll(); -1 while there is none.
  int control() const { return agent_.link(); }

  // Has what a newcomer shows judged. False: nobody can now.
  bool Judge(uint64_t id, const wire::ClientHello& hello);

  // What the agent has said: the slice of the newcomer's session, as bytes, or why it has none.
  // `lost`: nobody who was being judged will be.
  struct Ears {
    std::function<void(uint64_t id, bool right, const std::string& tail)> judged;
    std::function<void()> lost;
  };

  void Hear(const Ears& ears, uint64_t now_ns);

 private:
  KeptChild agent_{"the agent that speaks with the pool", 1'000'000'000};
};

}  // namespace farlane::server
