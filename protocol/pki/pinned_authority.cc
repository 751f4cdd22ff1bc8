// SPDX-License-Identifier: Apache-2.0
#include "protocol/pki/pinned_authority.h"

#include <algorithm>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "protocol/pki/pem.h"
#include "protocol/transport/address.h"

namespace farlane::pki {
namespace {

// Waits in read and write, but not for ever.
Status MakePatient(int socket, uint64_t timeout_ns) {
  const timeval patience = {.tv_sec = static_cast<time_t>(timeout_ns / 1'000'000'000 + 1),
                            .tv_usec = 0};
  const int flags = fcntl(socket, F_GETFL);
  const bool set = flags >= 0 && fcntl(socket, F_SETFL, flags & ~O_NONBLOCK) == 0 &&
                   setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
                   setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0;
  return set ? Status::Ok()
             : Status::FromErrno(StatusCode::kInternal, "cannot set up a connection", errno);
}

}  // namespace

Result<std::string> FetchAuthority(const std::string& place,
                                   const std::string& pin,
                                   uint64_t timeout_ns) {
  FARLANE_ASSIGN(const transport::Address address, transport::Address::Parse("tcp://" + place));
  FARLANE_ASSIGN(const Fd socket, transport::Connect(address, timeout_ns));
  FARLANE_TRY(MakePatient(socket.get(), timeout_ns));
  const Owned<SSL_CTX> context(SSL_CTX_new(TLS_client_method()));
  const Owned<SSL> ssl(context != nullptr ? SSL_new(context.get()) : nullptr);
  // Nothing is believed, and nothing is sent: see above.
  if (ssl == nullptr || SSL_set_min_proto_version(ssl.get(), TLS1_3_VERSION) != 1 ||
      SSL_set_fd(ssl.get(), socket.get()) != 1) {
    return OpenSslFailed("begin TLS");
  }
  SSL_set_tlsext_host_name(ssl.get(), address.host.c_str());
  if (SSL_connect(ssl.get()) != 1) {
    return OpenSslFailed("see the certificates of the pool").While("speaking with " + place);
  }
  const STACK_OF(X509)* const chain = SSL_get_peer_cert_chain(ssl.get());
  for (int i = 0; chain != nullptr && i < sk_X509_num(chain); ++i) {
    X509* const one = sk_X509_value(chain, i);
    if (PinOf(one) == pin) {
      return PemOf(one);
    }
  }
  return Status(StatusCode::kRefused,
                place + " shows no certificate with the digest that is wanted (" + pin + ")");
}

}  // namespace farlane::pki
