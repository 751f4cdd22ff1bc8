// SPDX-License-Identifier: Apache-2.0
// From an address to a Stream, whatever lies between: the one place where a client's kinds of
// connection are told apart.
#pragma once

#include <memory>

#include "protocol/transport/address.h"
#include "protocol/transport/stream.h"
#include "protocol/transport/tls.h"

namespace farlane::transport {

// A connection on which the hello can be said, or why there is none within the time. `tls` is
// looked at for a tls:// address only.
Result<std::unique_ptr<Stream>> ConnectStream(const Address& address,
                                              const TlsSettings& tls,
                                              uint64_t timeout_ns);

}  // namespace farlane::transport
