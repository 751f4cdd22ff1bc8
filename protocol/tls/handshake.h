// SPDX-License-Identifier: Apache-2.0
// Handshake is one side of a TLS 1.3 handshake by OpenSSL, over a socket that it neither owns nor
// waits for. It ends with the two secrets that TlsStream goes on with; OpenSSL is done then.
#pragma once

#include <memory>
#include <string>

#include <openssl/ssl.h>

#include "protocol/transport/tls.h"

namespace farlane::transport {

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

using TlsContext = std::unique_ptr<SSL_CTX, FreeContext>;

// What all handshakes of one side have in common: certificates, and whom to trust.
Result<TlsContext> MakeClientContext(const TlsSettings& settings);
Result<TlsContext> MakeServerContext(const TlsServerSettings& settings);

// Thread: one at a time.
class Handshake final : public TlsHandshake {
 public:
  // For a client, `host` is whom the peer's certificate must name; empty for a server.
  static Result<std::unique_ptr<Handshake>> Begin(SSL_CTX* context,
                                                  int socket,
                                                  const std::string& host);
  ~Handshake() override;

  Result<Step> Advance() override;
  TlsState state() const override;
  std::string peer_name() const override;

 private:
  struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };

  friend void NoteSecret(const SSL* ssl, const char* line);

  explicit Handshake(bool client) : client_(client) {}

  Status Prepare(SSL_CTX* context, int socket, const std::string& host);
  Status WhyFailed(int error);

  const bool client_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
  std::string host_;
  uint8_t client_secret_[32] = {};
  uint8_t server_secret_[32] = {};
  int secrets_count_ = 0;
};

}  // namespace farlane::transport
