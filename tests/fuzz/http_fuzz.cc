// SPDX-License-Identifier: Apache-2.0
// What comes over a connection to the manager, as bytes: it is sent as it is, and whoever answers
// sees only requests within their limits. The first byte says whether the certificate is changed
// meanwhile, as it is when keys are rotated.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pool-manager/api/http_server.h"
#include "protocol/base/log.h"

namespace farlane::pool {
namespace {

constexpr size_t kBodyBytesMax = 1 << 20;
constexpr size_t kHeadBytesMax = 64 << 10;
constexpr int kPatienceMs = 2'000;

HttpAnswer Answer(const HttpRequest& request) {
  if (request.body.size() > kBodyBytesMax || request.path.size() > kHeadBytesMax ||
      request.method.empty() || request.path.empty()) {
    abort();
  }
  if (request.path == "/refused") {
    return {.status = 401, .body = "no\n", .retry_after_seconds = 1};
  }
  return {.status = 200, .body = request.method + request.body, .type = "text/plain"};
}

// One for the whole run, at a socket without a file.
class FuzzedServer {
 public:
  FuzzedServer() {
    SetLogLevel(LogLevel::kNone);
    where_.sun_family = AF_UNIX;
    snprintf(where_.sun_path + 1, sizeof where_.sun_path - 1, "farlane-http-fuzz-%d", getpid());
    Fd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (bind(listener.get(), Where(), sizeof where_) != 0 || listen(listener.get(), 64) != 0) {
      abort();
    }
    server_ = HttpServer::Start(std::move(listener), {}, &Answer).value();
  }

  void Renew() {
    if (!server_->Renew({}).ok()) {
      abort();
    }
  }

  // Sends the bytes, and hears until the other side has had enough.
  void Try(std::string_view bytes) {
    const Fd connection(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(connection.get(), Where(), sizeof where_) != 0) {
      abort();
    }
    static_cast<void>(send(connection.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
    shutdown(connection.get(), SHUT_WR);
    char heard[4096];
    pollfd waiting{.fd = connection.get(), .events = POLLIN, .revents = 0};
    while (poll(&waiting, 1, kPatienceMs) > 0 && read(connection.get(), heard, sizeof heard) > 0) {
    }
  }

 private:
  const sockaddr* Where() const { return reinterpret_cast<const sockaddr*>(&where_); }

  sockaddr_un where_{};
  std::unique_ptr<HttpServer> server_;
};

int TryOne(const uint8_t* data, size_t size) {
  static FuzzedServer* const server = new FuzzedServer;
  if (size == 0) {
    return 0;
  }
  if (data[0] == 0xff) {
    server->Renew();
  }
  server->Try({reinterpret_cast<const char*>(data + 1), size - 1});
  return 0;
}

}  // namespace
}  // namespace farlane::pool

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return farlane::pool::TryOne(data, size);
}
