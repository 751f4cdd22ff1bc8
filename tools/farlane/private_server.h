// SPDX-License-Identifier: Apache-2.0
// PrivateServer is a GPU server for one run, on this machine, that nobody else can use: it listens
// on a Unix socket and lets in processes of this user only. It ends with this process, however that
// ends.
#pragma once

#include <optional>
#include <string>

#include "protocol/base/result.h"
#include "tools/farlane/background_program.h"
#include "tools/farlane/installation.h"
#include "tools/farlane/signal_inbox.h"

namespace farlane::cli {

struct PrivateServerOptions {
  std::optional<uint64_t> memory_bytes;  // per device; all of it if not given
};

// Thread: main.
class PrivateServer {
 public:
  // Returns when the server accepts connections. A signal that asks this process to end, if there
  // is an `inbox`, ends the waiting: `*interrupted_by` then holds its number.
  static Result<PrivateServer> Start(const Installation& installation,
                                     const PrivateServerOptions& options,
                                     SignalInbox* inbox,
                                     int* interrupted_by);

  // Where it listens, as FARLANE_SERVER spells it.
  const std::string& address() const { return program_.lines().front(); }

  // How it ended, the first time this is asked after that happened.
  std::optional<std::string> TakeEnd() { return program_.TakeEnd(); }

 private:
  explicit PrivateServer(BackgroundProgram program) : program_(std::move(program)) {}

  BackgroundProgram program_;
};

}  // namespace farlane::cli
