// SPDX-License-Identifier: Apache-2.0
// DoormanLink is the daemon's side of its conversation with the doorman. When he ends, those who
// stood at the door then are lost, nobody else is.
#pragma once

#include <functional>
#include <string>

#include "gpu-server/daemon/kept_child.h"
#include "protocol/transport/tls.h"
#include "protocol/wire/hello.h"

namespace farlane::server {

// Thread: the daemon's main thread, which must be the process's only one.
class DoormanLink {
 public:
  // Waits until it has read its certificate and its key. Without this there is no doorman.
  Status Start(const transport::TlsServerSettings& settings);

  // For poll(); -1 while there is none.
  int control() const { return doorman_.link(); }

  // Leads a connection to the door, of which only the first byte was looked at. False: it cannot be
  // met now.
  bool Lead(uint64_t id, const Fd& socket);
  // Has the doorman answer; `last`: and close.
  void Say(uint64_t id, const std::string& bytes, bool last);
  // Has the doorman write a TlsPass to a pipe and forget the connection.
  void HandOver(uint64_t id, const Fd& pipe);

  // What the doorman has said: a hello, or why there is none. `lost`: nobody is at the door any
  // more.
  struct Ears {
    std::function<void(uint64_t id, const std::string& hello_and_name)> met;
    std::function<void(uint64_t id, const std::string& why)> turned_away;
    std::function<void()> lost;
  };

  void Hear(const Ears& ears, uint64_t now_ns);

 private:
  // A key that cannot be read now cannot be read a millisecond later.
  KeptChild doorman_{"the process that holds the private key", 1'000'000'000};
};

}  // namespace farlane::server
