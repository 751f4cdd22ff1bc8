// SPDX-License-Identifier: Apache-2.0
// Probe asks a GPU server who it is and what devices it has, the way a client would, without
// becoming a client: no context and no memory is taken there.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "protocol/base/result.h"
#include "protocol/channel/way.h"
#include "protocol/transport/address.h"
#include "protocol/wire/hello.h"

namespace farlane::cli {

struct DeviceReport {
  int32_t ordinal = 0;
  std::string name;
  std::string pci_bus_id;
  uint64_t total_bytes = 0;
  uint64_t arena_address = 0;
  uint64_t arena_bytes = 0;
  int32_t compute_major = 0;  // 0: the server did not say
  int32_t compute_minor = 0;
};

struct ServerReport {
  uint64_t connect_ns = 0;
  uint64_t answer_ns = 0;  // from the first byte of the question to the last of the hello's answer
  wire::Verdict verdict = wire::Verdict::kWelcome;
  std::string reason;  // printable; empty when welcome
  uint32_t version = 0;
  uint64_t wire_hash = 0;
  uint32_t worker = 0;
  // What follows is there only when welcome.
  std::string transport;  // that a client would use: "shm", "unix", "tcp"
  std::string no_rings;   // why memory that the server would share cannot be had; empty if it can
  int32_t driver_version = 0;
  std::string driver_path;
  std::vector<DeviceReport> devices;
};

// A failure says that nobody is there, or nobody who speaks this protocol. A server that answers
// and says no is a report with another verdict.
Result<ServerReport> Probe(const transport::Address& address,
                           const std::string& token,
                           channel::WishedTransport wish,
                           uint64_t timeout_ns);

// The token that a client would show: FARLANE_TOKEN, or the first line of FARLANE_TOKEN_FILE.
Result<std::string> TokenFromEnvironment();

const char* VerdictName(wire::Verdict verdict);

}  // namespace farlane::cli
