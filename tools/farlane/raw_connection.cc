// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/raw_connection.h"

#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace farlane::cli::raw {

std::pair<Fd, Fd> Connect() {
  const Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener.get(), generic, size) != 0 || listen(listener.get(), 1) != 0 ||
      getsockname(listener.get(), generic, &size) != 0) {
    return {};
  }
  Fd near(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect(near.get(), generic, size) != 0) {
    return {};
  }
  Fd far(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const int on = 1;
  for (const Fd* end : {&near, &far}) {
    static_cast<void>(setsockopt(end->get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
  }
  return {std::move(near), std::move(far)};
}

bool Send(int fd, const char* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t sent = send(fd, data, bytes, MSG_NOSIGNAL);
    if (sent <= 0) {
      return false;
    }
    data += sent;
    bytes -= static_cast<size_t>(sent);
  }
  return true;
}

bool Receive(int fd, char* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t got = recv(fd, data, bytes, 0);
    if (got <= 0) {
      return false;
    }
    data += got;
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

void Answer(int fd, size_t bytes) {
  std::vector<char> data(bytes);
  while (Receive(fd, data.data(), bytes) && Send(fd, data.data(), 1)) {
  }
}

}  // namespace farlane::cli::raw
