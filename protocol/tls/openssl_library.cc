// SPDX-License-Identifier: Apache-2.0
#include "protocol/tls/openssl_library.h"

#include <openssl/crypto.h>
#include <poll.h>

#include "protocol/base/clock.h"
#include "protocol/tls/handshake.h"
#include "protocol/tls/tls_stream.h"

namespace farlane::transport {
namespace {

// Thread: one at a time.
class OpensslServer final : public TlsServer {
 public:
  explicit OpensslServer(TlsContext context) : context_(std::move(context)) {}

  Result<std::unique_ptr<TlsHandshake>> Begin(int socket) override {
    FARLANE_ASSIGN(std::unique_ptr<Handshake> begun, Handshake::Begin(context_.get(), socket, ""));
    return std::unique_ptr<TlsHandshake>(std::move(begun));
  }

 private:
  const TlsContext context_;
};

// Until the handshake can go on; false when the time is over.
bool WaitFor(TlsHandshake::Step step, int socket, Deadline until) {
  const uint64_t now = NowNs();
  if (now >= until) {
    return false;
  }
  const short events = step == TlsHandshake::Step::kWantsWrite ? POLLOUT : POLLIN;
  pollfd waiting{.fd = socket, .events = events, .revents = 0};
  poll(&waiting, 1, static_cast<int>((until - now) / 1'000'000) + 1);
  return true;
}

}  // namespace

Result<std::unique_ptr<TlsConnection>> OpensslLibrary::Connect(Fd socket,
                                                               const std::string& host,
                                                               const TlsSettings& settings,
                                                               Deadline until) {
  FARLANE_ASSIGN(const TlsContext context, MakeClientContext(settings));
  FARLANE_ASSIGN(const std::unique_ptr<Handshake> handshake,
                 Handshake::Begin(context.get(), socket.get(), host));
  while (true) {
    FARLANE_ASSIGN(const TlsHandshake::Step step, handshake->Advance());
    if (step == TlsHandshake::Step::kDone) {
      break;
    }
    if (!WaitFor(step, socket.get(), until)) {
      return Status(StatusCode::kTimeout, "no handshake of TLS in time");
    }
  }
  TlsState state = handshake->state();
  Result<std::unique_ptr<TlsConnection>> connection = Resume(std::move(socket), state);
  OPENSSL_cleanse(&state, sizeof state);
  return connection;
}

Result<std::unique_ptr<TlsServer>> OpensslLibrary::Serve(const TlsServerSettings& settings) {
  FARLANE_ASSIGN(TlsContext context, MakeServerContext(settings));
  return std::unique_ptr<TlsServer>(new OpensslServer(std::move(context)));
}

Result<std::unique_ptr<TlsConnection>> OpensslLibrary::Resume(Fd socket, const TlsState& state) {
  FARLANE_ASSIGN(std::unique_ptr<TlsStream> stream, TlsStream::Create(std::move(socket), state));
  return std::unique_ptr<TlsConnection>(std::move(stream));
}

}  // namespace farlane::transport
