// SPDX-License-Identifier: Apache-2.0
#include "protocol/transport/connect.h"

#include "protocol/base/clock.h"
#include "protocol/transport/socket_stream.h"

namespace farlane::transport {

Result<std::unique_ptr<Stream>> ConnectStream(const Address& address,
                                              const TlsSettings& tls,
                                              uint64_t timeout_ns) {
  const Deadline until = NowNs() + timeout_ns;
  if (address.kind != Address::Kind::kTls) {
    FARLANE_ASSIGN(Fd socket, Connect(address, timeout_ns));
    return std::unique_ptr<Stream>(new SocketStream(std::move(socket)));
  }
  FARLANE_ASSIGN(TlsLibrary* const library, LoadTls());
  FARLANE_ASSIGN(Fd socket, Connect(address, timeout_ns));
  FARLANE_ASSIGN(std::unique_ptr<TlsConnection> connection,
                 library->Connect(std::move(socket), address.host, tls, until)
                     .While("connecting to " + address.ToString()));
  return std::unique_ptr<Stream>(std::move(connection));
}

}  // namespace farlane::transport
