// SPDX-License-Identifier: Apache-2.0
// Config is everything that the environment tells the client library; nothing else of it reads the
// environment.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/net_rate.h"
#include "protocol/base/slice.h"
#include "protocol/channel/pulse.h"
#include "protocol/channel/way.h"
#include "protocol/transport/tls.h"

namespace farlane::shim {

// What makes this process one of a session's: its name, and the key that proves it.
// Immutable once read.
struct SessionTicket {
  uint8_t id[16] = {};
  uint8_t key[32] = {};
};

// Immutable once read.
struct Config {
  std::optional<std::string> server;  // FARLANE_SERVER
  std::optional<std::string> pool;    // FARLANE_POOL
  // FARLANE_TOKEN, or the content of FARLANE_TOKEN_FILE; for each server one, with commas between,
  // if the session is a pool's and over several.
  std::string token;
  std::string token_error;    // why there is no token although one was named
  SessionTicket session;      // FARLANE_SESSION; all zero: a session of this process alone
  std::string session_error;  // why FARLANE_SESSION cannot be used
  // FARLANE_MEM, FARLANE_SHARE, FARLANE_SHARE_LIMIT, FARLANE_PRIORITY, FARLANE_GPUS,
  // FARLANE_ISOLATION and FARLANE_QUEUE_TIMEOUT
  SliceRequest slice{};
  NetRate net_limit = 0;       // FARLANE_NET_LIMIT
  transport::TlsSettings tls;  // FARLANE_TLS_CA, FARLANE_TLS_CERT, FARLANE_TLS_KEY
  channel::WishedTransport transport = channel::WishedTransport::kAuto;  // FARLANE_TRANSPORT
  uint32_t grace = channel::kGraceLooks;  // FARLANE_GRACE, in seconds
  std::string setting_error;              // why one of these cannot be used
  bool track_writes = true;               // FARLANE_TRACK_WRITES=0: mirrored memory is compared
  bool touch_waits = true;  // FARLANE_TOUCH_WAITS=0: managed memory is never taken away
  bool synchronous =
      false;  // FARLANE_SYNC=1: every call waits, so that an error shows at its own call
  // FARLANE_TRACE, a list with commas:
  bool trace_summary = false;    // summary: at the end, what waited and how often
  bool trace_waits = false;      // waits: at the end, for each message how often and how long
  bool trace_errors = false;     // errors: each call that fails, by name
  bool launch_blocking = false;  // CUDA_LAUNCH_BLOCKING=1
  bool lazy_loading = true;      // CUDA_MODULE_LOADING
  std::optional<std::string> visible_devices;  // CUDA_VISIBLE_DEVICES

  static Config FromEnvironment();

  // What FARLANE_SESSION says, or `session_error`.
  void SetSession(const std::string& text);

  // What server number `number` of the program's is shown. Where a pool has given a token for each,
  // it is that server's token, and a key that is worth nothing at another.
  Config ForServer(uint32_t number) const;
};

}  // namespace farlane::shim
