// SPDX-License-Identifier: Apache-2.0
#include "protocol/transport/address.h"

#include <cerrno>
#include <charconv>
#include <cstring>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "protocol/base/clock.h"
#include "protocol/transport/resolve.h"

namespace farlane::transport {
namespace {

constexpr int kFullQueueMs = 2;  // between two tries at a listener whose queue is full
constexpr int kBacklog = 256;    // a burst of processes of one run connects at the same moment

Result<sockaddr_un> UnixName(const Address& address, socklen_t* size) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (address.path.empty() || address.path == "@" || address.path.size() >= sizeof name.sun_path) {
    return Status(StatusCode::kInvalidArgument, "a Unix socket path has 1 to " +
                                                    std::to_string(sizeof name.sun_path - 1) +
                                                    " characters: \"" + address.path + "\"");
  }
  memcpy(name.sun_path, address.path.data(), address.path.size());
  *size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.path.size());
  if (address.path[0] == '@') {
    name.sun_path[0] = '\0';  // the abstract name space: no file, gone with the listener
  } else {
    ++*size;
  }
  return name;
}

Status WaitConnected(int socket, uint64_t deadline) {
  while (true) {
    const uint64_t now = NowNs();
    if (now >= deadline) {
      return Status(StatusCode::kTimeout, "no answer in time");
    }
    pollfd waiting{.fd = socket, .events = POLLOUT, .revents = 0};
    const int ready = poll(&waiting, 1, static_cast<int>((deadline - now) / 1'000'000) + 1);
    if (ready > 0) {
      break;
    }
  }
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length);
  return error == 0 ? Status::Ok()
                    : Status::FromErrno(StatusCode::kUnavailable, "cannot connect", error);
}

Status ConnectOne(int socket, const sockaddr* to, socklen_t size, uint64_t deadline) {
  if (socket < 0) {
    return Status::FromErrno(StatusCode::kUnavailable, "no socket", errno);
  }
  while (connect(socket, to, size) != 0) {
    if (errno == EINPROGRESS) {
      return WaitConnected(socket, deadline);
    }
    // A Unix listener with a full queue says so instead of making us wait.
    if (errno != EINTR && errno != EAGAIN) {
      return Status::FromErrno(StatusCode::kUnavailable, "cannot connect", errno);
    }
    if (NowNs() >= deadline) {
      return Status(StatusCode::kTimeout, "no answer in time");
    }
    poll(nullptr, 0, kFullQueueMs);
  }
  return Status::Ok();
}

// Removes the file of a listener that is gone: nothing else than a socket that refuses.
Status RemoveStale(const Address& address, const sockaddr* name, socklen_t size) {
  struct statx file =
      {};  // stat has a new name in newer C libraries, which the client must not need
  if (statx(AT_FDCWD, address.path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_TYPE, &file) != 0 ||
      !S_ISSOCK(file.stx_mode)) {
    return Status(StatusCode::kInvalidArgument,
                  "cannot listen on " + address.ToString() + ": there is a file that is no socket");
  }
  const Fd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (connect(probe.get(), name, size) == 0 || errno == EAGAIN) {
    return Status(StatusCode::kUnavailable, "somebody already listens on " + address.ToString());
  }
  if (errno != ECONNREFUSED) {
    return Status::FromErrno(StatusCode::kUnavailable, "cannot listen on " + address.ToString(),
                             errno);
  }
  unlink(address.path.c_str());
  return Status::Ok();
}

Result<Fd> ListenUnix(const Address& address) {
  socklen_t size = 0;
  FARLANE_ASSIGN(const sockaddr_un name, UnixName(address, &size));
  Fd socket_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto* to = reinterpret_cast<const sockaddr*>(&name);
  if (bind(socket_fd.get(), to, size) != 0) {
    if (errno != EADDRINUSE || address.path[0] == '@') {
      return Status::FromErrno(StatusCode::kUnavailable, "cannot listen on " + address.ToString(),
                               errno);
    }
    FARLANE_TRY(RemoveStale(address, to, size));
    if (bind(socket_fd.get(), to, size) != 0) {
      return Status::FromErrno(StatusCode::kUnavailable, "cannot listen on " + address.ToString(),
                               errno);
    }
  }
  if (listen(socket_fd.get(), kBacklog) != 0) {
    return Status::FromErrno(StatusCode::kUnavailable, "cannot listen on " + address.ToString(),
                             errno);
  }
  return socket_fd;
}

Status ParsePort(const std::string& text, uint16_t* port) {
  uint32_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc() || stop != end || number > 65535) {
    return Status(StatusCode::kInvalidArgument, "\"" + text + "\" is not a port");
  }
  *port = static_cast<uint16_t>(number);
  return Status::Ok();
}

// "host", "host:port", "[v6]" or "[v6]:port".
Status ParseHostPort(const std::string& text, Address* address) {
  size_t host_end = text.find(':');
  if (!text.empty() && text[0] == '[') {
    const size_t close = text.find(']');
    if (close == std::string::npos || (close + 1 < text.size() && text[close + 1] != ':')) {
      return Status(StatusCode::kInvalidArgument, "its brackets do not fit");
    }
    address->host = text.substr(1, close - 1);
    host_end = close + 1 < text.size() ? close + 1 : std::string::npos;
  } else {
    address->host = text.substr(0, host_end);
    if (host_end != std::string::npos && text.find(':', host_end + 1) != std::string::npos) {
      return Status(StatusCode::kInvalidArgument, "an IPv6 address is written in brackets");
    }
  }
  if (address->host.empty() || address->host.find_first_of("/[] \t\n") != std::string::npos) {
    return Status(StatusCode::kInvalidArgument, "it names no host");
  }
  return host_end == std::string::npos ? Status::Ok()
                                       : ParsePort(text.substr(host_end + 1), &address->port);
}

uint16_t BoundPort(int socket) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  getsockname(socket, reinterpret_cast<sockaddr*>(&name), &size);
  if (name.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&name)->sin6_port);
  }
  return ntohs(reinterpret_cast<const sockaddr_in*>(&name)->sin_port);
}

}  // namespace

Result<Address> Address::Parse(const std::string& text) {
  Address address;
  if (text.rfind("unix:", 0) == 0) {
    address.kind = Kind::kUnix;
    address.path = text.substr(5);
    if (address.path.rfind("//", 0) == 0) {
      address.path = address.path.substr(2);
    }
    socklen_t size = 0;
    FARLANE_TRY(UnixName(address, &size));
    return address;
  }
  address.kind = text.rfind("tls://", 0) == 0 ? Kind::kTls : Kind::kTcp;
  const bool named = address.kind == Kind::kTls || text.rfind("tcp://", 0) == 0;
  const std::string rest = named ? text.substr(6) : text;
  if (rest.find("://") != std::string::npos) {
    return Status(
        StatusCode::kInvalidArgument,
        "\"" + text +
            "\": only tcp://HOST:PORT, tls://HOST:PORT and unix:/PATH are addresses of a server");
  }
  FARLANE_TRY(ParseHostPort(rest, &address).While("reading the address \"" + text + "\""));
  return address;
}

std::string Address::ToString() const {
  if (kind == Kind::kUnix) {
    return "unix:" + path;
  }
  const bool v6 = host.find(':') != std::string::npos;
  return std::string(kind == Kind::kTls ? "tls://" : "tcp://") + (v6 ? "[" + host + "]" : host) +
         ":" + std::to_string(port);
}

Result<Fd> Connect(const Address& address, uint64_t timeout_ns) {
  const uint64_t deadline = NowNs() + timeout_ns;
  if (address.kind == Address::Kind::kUnix) {
    socklen_t size = 0;
    FARLANE_ASSIGN(const sockaddr_un name, UnixName(address, &size));
    Fd socket_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    FARLANE_TRY(
        ConnectOne(socket_fd.get(), reinterpret_cast<const sockaddr*>(&name), size, deadline)
            .While("connecting to " + address.ToString()));
    return socket_fd;
  }
  FARLANE_ASSIGN(const AddressList list, ResolveWithin(address.host, address.port, deadline));
  uint64_t left = 0;
  for (const addrinfo* one = list.get(); one != nullptr; one = one->ai_next) {
    ++left;
  }
  Status last(StatusCode::kUnavailable, "no address to try");
  for (const addrinfo* one = list.get(); one != nullptr; one = one->ai_next, --left) {
    // An address that never answers must leave time for those after it.
    const uint64_t now = NowNs();
    const uint64_t share = deadline > now ? (deadline - now) / left : 0;
    Fd socket_fd(
        socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, one->ai_protocol));
    last = ConnectOne(socket_fd.get(), one->ai_addr, one->ai_addrlen, now + share);
    if (last.ok()) {
      return socket_fd;
    }
  }
  return std::move(last).While("connecting to " + address.ToString());
}

Result<Fd> Listen(const Address& address, Address* bound) {
  if (bound != nullptr) {
    *bound = address;
  }
  if (address.kind == Address::Kind::kUnix) {
    return ListenUnix(address);
  }
  FARLANE_ASSIGN(const AddressList list, ResolveToListen(address.host, address.port));
  Status last(StatusCode::kUnavailable, "no address to try");
  for (const addrinfo* one = list.get(); one != nullptr; one = one->ai_next) {
    Fd socket_fd(
        socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, one->ai_protocol));
    const int on = 1;
    setsockopt(socket_fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(socket_fd.get(), one->ai_addr, one->ai_addrlen) == 0 &&
        listen(socket_fd.get(), kBacklog) == 0) {
      if (bound != nullptr) {
        bound->port = BoundPort(socket_fd.get());
      }
      return socket_fd;
    }
    last = Status::FromErrno(StatusCode::kUnavailable, "cannot listen on " + address.ToString(),
                             errno);
  }
  return last;
}

Result<bool> IsLocalOnly(const Address& address) {
  if (address.kind == Address::Kind::kUnix) {
    return true;
  }
  FARLANE_ASSIGN(const AddressList list, ResolveToListen(address.host, address.port));
  for (const addrinfo* one = list.get(); one != nullptr; one = one->ai_next) {
    if (one->ai_family == AF_INET) {
      const auto* v4 = reinterpret_cast<const sockaddr_in*>(one->ai_addr);
      if ((ntohl(v4->sin_addr.s_addr) >> 24) != 127) {
        return false;
      }
    } else if (one->ai_family == AF_INET6) {
      const auto* v6 = reinterpret_cast<const sockaddr_in6*>(one->ai_addr);
      if (!IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr)) {
        return false;
      }
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace farlane::transport
