// SPDX-License-Identifier: Apache-2.0
// Small records, and with them a descriptor, between the daemon and a worker, over a socket pair
// that keeps records apart.
#pragma once

#include <cstdint>

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace farlane::server {

// What a worker tells the daemon.
struct WorkerReport {
  enum class Kind : uint32_t {
    kReady = 1,   // may be given a client; `text` is the driver's path
    kFailed = 2,  // will never be; `text` says why
  };
  Kind kind = Kind::kReady;
  char text[1020] = {};
};

void SetText(WorkerReport* report, const std::string& text);

struct SocketPair {
  Fd daemon;
  Fd worker;
};

Result<SocketPair> MakeSocketPair();

bool SendReport(int socket, const WorkerReport& report);
// False when the worker is gone.
bool ReceiveReport(int socket, WorkerReport* report);

// The descriptor stays the caller's.
bool SendDescriptor(int socket, int descriptor);
// Waits; invalid when the daemon is gone.
Fd ReceiveDescriptor(int socket);

}  // namespace farlane::server
