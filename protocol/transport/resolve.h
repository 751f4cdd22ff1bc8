// SPDX-License-Identifier: Apache-2.0
// Turns the name of a host into addresses. The C library's resolver asks as long as its own
// configuration says, which may be half a minute; whoever waits for a server has less patience.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <netdb.h>

#include "protocol/base/result.h"
#include "protocol/transport/stream.h"

namespace farlane::transport {

// At least one address.
using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

// Fails with kTimeout at the deadline, however long the resolver goes on. An address in numbers is
// never asked about.
Result<AddressList> ResolveWithin(const std::string& host, uint16_t port, Deadline until);

// For a listener: waits as long as it takes, and makes no thread. An empty host is every address.
Result<AddressList> ResolveToListen(const std::string& host, uint16_t port);

}  // namespace farlane::transport
