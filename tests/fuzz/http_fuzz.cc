// SPDX-License-Identifier: Apache-2.0
// What comes over a connection to the manager, as bytes, and those from 128 on stand for a word of
// HTTP each: the library that reads them is not built for fuzzing, which would never guess one.
// Whoever answers sees only requests within their limits. The first byte says whether the
// connection is under TLS, whether the certificate is changed meanwhile, as it is when keys are
// rotated, and whether much follows.
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "pool-manager/api/http_server.h"
#include "protocol/base/log.h"
#include "protocol/pki/authority.h"

namespace farlane::pool {
namespace {

constexpr size_t kBodyBytesMax = 1 << 20;
constexpr size_t kHeadBytesMax = 64 << 10;
constexpr int kPatienceMs = 5'000;

constexpr std::string_view kWords[] = {
    "GET ",
    "POST ",
    "PUT ",
    "DELETE ",
    "HEAD ",
    "OPTIONS ",
    "/v1/sessions",
    "/stream",
    "/refused",
    "?",
    "&",
    "=",
    "%00",
    "%ff",
    "%",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    "\r\n",
    "\r\n\r\n",
    "Host: ",
    "localhost",
    "[::1]",
    "[",
    "gpus.example",
    "127.0.0.1",
    ":7443",
    ".",
    "Content-Length: ",
    "Transfer-Encoding: chunked\r\n",
    "0\r\n\r\n",
    "1\r\nx\r\n",
    "fffffffffffffffff\r\n",
    "99999999999999999999",
    "-1",
    "5",
    "2097152",
    "Authorization: ",
    "Bearer ",
    "Idempotency-Key: ",
    "Origin: ",
    "Sec-Fetch-Site: ",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Connection: Upgrade\r\n",
    "Expect: 100-continue\r\n",
    "Cookie: ",
    "; ",
    "{\"spec\":{}}",
    "GET /v1/sessions HTTP/1.1\r\nHost: localhost\r\n",
    "POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: ",
    "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2097152\r\n\r\n",
};

std::string Spelled(const uint8_t* data, size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i) {
    if (data[i] < 128) {
      text += static_cast<char>(data[i]);
    } else {
      text += kWords[data[i] % std::size(kWords)];
    }
  }
  return text;
}

// Three pieces, one of which is nothing yet.
class ThreePieces : public HttpStream {
 public:
  std::optional<std::string> Next(unsigned) override {
    ++said_;
    return said_ > 3 ? std::nullopt : std::optional(said_ == 2 ? "" : std::string(20'000, 'x'));
  }

 private:
  int said_ = 0;
};

HttpAnswer Answer(const HttpRequest& request) {
  // Either may be empty: the library lets a path through that begins with a zero.
  if (request.body.size() > kBodyBytesMax || request.path.size() > kHeadBytesMax ||
      request.method.size() > kHeadBytesMax ||
      (request.local_user.has_value() && !request.authorization.empty())) {
    abort();
  }
  if (request.path == "/refused") {
    return {.status = 401, .body = "no\n", .retry_after_seconds = 1};
  }
  if (request.path == "/stream") {
    return {.status = 200, .body = {}, .stream = std::make_shared<ThreePieces>()};
  }
  return {.status = 200, .body = request.method + request.body, .type = "text/plain"};
}

// One for the whole run, at a socket without a file.
class FuzzedServer {
 public:
  explicit FuzzedServer(HttpTls tls) : tls_(std::move(tls)) {
    SetLogLevel(LogLevel::kNone);
    where_.sun_family = AF_UNIX;
    snprintf(where_.sun_path + 1, sizeof where_.sun_path - 1, "farlane-http-fuzz-%d-%d", getpid(),
             tls_.key.empty() ? 0 : 1);
    Fd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (bind(listener.get(), Where(), sizeof where_) != 0 || listen(listener.get(), 64) != 0) {
      abort();
    }
    server_ = HttpServer::Start(std::move(listener), tls_, &Answer, {"gpus.example"}).value();
  }

  void Renew() {
    if (!server_->Renew(tls_).ok()) {
      abort();
    }
  }

  Fd Connect() const {
    Fd connection(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(connection.get(), Where(), sizeof where_) != 0) {
      abort();
    }
    const timeval patience{.tv_sec = kPatienceMs / 1000, .tv_usec = 0};
    setsockopt(connection.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return connection;
  }

 private:
  const sockaddr* Where() const { return reinterpret_cast<const sockaddr*>(&where_); }

  const HttpTls tls_;
  sockaddr_un where_{};
  std::unique_ptr<HttpServer> server_;
};

// Sends the bytes, and hears until the other side has had enough.
void TryPlain(const FuzzedServer& server, std::string_view bytes) {
  const Fd connection = server.Connect();
  static_cast<void>(send(connection.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
  shutdown(connection.get(), SHUT_WR);
  char heard[4096];
  pollfd waiting{.fd = connection.get(), .events = POLLIN, .revents = 0};
  while (poll(&waiting, 1, kPatienceMs) > 0 && read(connection.get(), heard, sizeof heard) > 0) {
  }
}

// The same, under TLS.
void TryTls(const FuzzedServer& server, std::string_view bytes) {
  static SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  const Fd connection = server.Connect();
  const std::unique_ptr<SSL, decltype(&SSL_free)> tls(SSL_new(context), &SSL_free);
  SSL_set_fd(tls.get(), connection.get());
  errno = 0;
  if (const int done = SSL_connect(tls.get()); done != 1) {
    fprintf(stderr, "the handshake ends with %d, errno %d\n", SSL_get_error(tls.get(), done),
            errno);
    abort();
  }
  char heard[4096];
  if (bytes.empty() || SSL_write(tls.get(), bytes.data(), static_cast<int>(bytes.size())) > 0) {
    SSL_shutdown(tls.get());
    while (SSL_read(tls.get(), heard, sizeof heard) > 0) {
    }
  }
}

HttpTls OwnTls() {
  const pki::KeyPair own =
      pki::Authority::Make("fuzz").value().Issue({.uri = {}, .names = {"localhost"}}).value();
  return {.certificate = own.certificate, .key = own.key};
}

int TryOne(const uint8_t* data, size_t size) {
  static const auto unused = signal(SIGPIPE, SIG_IGN);  // who is sent away does not read on
  static_cast<void>(unused);
  static FuzzedServer* const plain = new FuzzedServer({});
  static FuzzedServer* const encrypted = new FuzzedServer(OwnTls());
  if (size == 0) {
    return 0;
  }
  const bool is_encrypted = (data[0] & 0xf4) == 0xf4;
  FuzzedServer* const server = is_encrypted ? encrypted : plain;
  if (data[0] >= 0xf8) {
    server->Renew();
  }
  std::string bytes = Spelled(data + 1, size - 1);
  if ((data[0] & 0xf0) == 0xe0) {
    bytes.append(kBodyBytesMax + 1, 'x');
  }
  (is_encrypted ? TryTls : TryPlain)(*server, bytes);
  return 0;
}

}  // namespace
}  // namespace farlane::pool

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return farlane::pool::TryOne(data, size);
}
