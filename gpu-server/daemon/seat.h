// SPDX-License-Identifier: Apache-2.0
// Seat is what a daemon knows of a client that it has given to a worker, in a form that the worker
// keeps and hands to the daemon's successor. Holding is how much of a device that worker has.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpu-server/daemon/session_book.h"
#include "gpu-server/memory/ledger.h"

namespace farlane::server {

// Plain bytes. Immutable once read.
struct Seat {
  uint64_t form;   // of the daemon that has made it: another build may mean something else
  uint64_t alone;  // the session is this process's only
  uint8_t boot[16];
  uint8_t session[16];
  uint8_t key_digest[32];
  uint8_t kin_digest[32];     // of what the process has shown, if the session is its only
  uint8_t instance[16];       // the UUID of the MIG instance that the worker sees; zeros: of none
  uint64_t session_since_ns;  // on the machine's clock
  uint64_t since_ns;
  uint32_t process;
  NetRate net_limit;
  SliceRequest slice;  // the session's
  char host[64];
  char program[48];

  // The session as it is known to the daemon, and the client as it came.
  static Seat Of(const SessionBook::Session& session, const Newcomer& who, uint64_t since_ns);
  Newcomer Who() const;
};

struct Holding {
  uint64_t held_bytes = 0;
  uint64_t idle_bytes = 0;
  DeviceQuota quota;
};

// What a worker tells a daemon that is not the one it was born by.
struct Account {
  Seat seat{};
  std::vector<Holding> holdings;  // by device
};

std::string PackSeat(const Seat& seat);
std::string PackAccount(const std::string& seat, const std::vector<Holding>& holdings);
// False for bytes that are no account, or one of another build.
bool UnpackAccount(const std::string& bytes, Account* account);

}  // namespace farlane::server
