// SPDX-License-Identifier: Apache-2.0
// Address is where a server listens, as people write it: "tcp://host:port", "tls://host:port",
// "unix:/path" or plain "host:port".
#pragma once

#include <string>

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace farlane::transport {

inline constexpr uint16_t kServerPort = 7450;

struct Address {
  enum class Kind : uint8_t { kTcp, kTls, kUnix };
  Kind kind = Kind::kTcp;
  std::string host;  // kTcp, kTls; without the brackets of an IPv6 address
  uint16_t port = kServerPort;
  std::string path;  // kUnix; "@name" is in the abstract name space

  static Result<Address> Parse(const std::string& text);
  std::string ToString() const;
};

// A connected, non-blocking socket, or why there is none within the time. Tries every address that
// the name has.
Result<Fd> Connect(const Address& address, uint64_t timeout_ns);

// A listening socket. Port 0 takes a free one: `bound`, if given, gets the address with the real
// port. A Unix socket file that nobody listens on any more is replaced; any other file stays.
Result<Fd> Listen(const Address& address, Address* bound);

// Whether only this machine can reach a listener there.
Result<bool> IsLocalOnly(const Address& address);

}  // namespace farlane::transport
