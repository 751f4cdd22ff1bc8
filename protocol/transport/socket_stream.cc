// SPDX-License-Identifier: Apache-2.0
#include "protocol/transport/socket_stream.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "protocol/base/clock.h"
#include "protocol/transport/liveness.h"

namespace farlane::transport {
namespace {

// Who waits long looks this often whether anybody is still there.
constexpr uint64_t kLookNs = 1'000'000'000;

constexpr int kUnixBufferBytes = 2 << 20;  // a few pieces

}  // namespace

SocketStream::SocketStream(Fd socket, int silence_seconds)
    : socket_(std::move(socket)), silence_seconds_(silence_seconds) {
  const int flags = fcntl(socket_.get(), F_GETFL, 0);
  fcntl(socket_.get(), F_SETFL, flags | O_NONBLOCK);
  const int on = 1;
  // Fails on a Unix socket, which does not delay anything in the first place.
  setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  KeepAlive(socket_.get(), silence_seconds_);
  // Grows by itself on TCP. On a Unix socket the default is less than one piece of data, and a
  // writer that has filled it is let in again only when three quarters are empty.
  int domain = 0;
  socklen_t size = sizeof domain;
  is_unix_ =
      getsockopt(socket_.get(), SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
  if (is_unix_) {
    setsockopt(socket_.get(), SOL_SOCKET, SO_SNDBUF, &kUnixBufferBytes, sizeof kUnixBufferBytes);
  }
}

Result<size_t> SocketStream::Write(std::span<const iovec> parts) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());  // sendmsg does not write to it
  message.msg_iovlen = parts.size();
  while (true) {
    const ssize_t sent = sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      return static_cast<size_t>(sent);
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return size_t{0};
    }
    if (errno == EFAULT) {
      return Status::FromErrno(StatusCode::kInvalidArgument, "the bytes cannot be read", errno);
    }
    if (errno != EINTR) {
      return Status::FromErrno(StatusCode::kUnavailable, "the connection is lost", errno);
    }
  }
}

Result<Transfer> SocketStream::Read(Bytes into) {
  if (into.empty()) {
    return Transfer{};  // the system's answer would look like the end of the stream
  }
  while (true) {
    const ssize_t got = recv(socket_.get(), into.data(), into.size(), MSG_DONTWAIT);
    if (got > 0) {
      return Transfer{.bytes = static_cast<size_t>(got)};
    }
    if (got == 0) {
      return Transfer{.closed = true};
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return Transfer{};
    }
    if (errno != EINTR) {
      return Status::FromErrno(StatusCode::kUnavailable, "the connection is lost", errno);
    }
  }
}

Result<bool> SocketStream::Wait(Interest what, Deadline until) {
  pollfd waiting{.fd = socket_.get(), .events = 0, .revents = 0};
  if (what != Interest::kWrite) {
    waiting.events |= POLLIN;
  }
  if (what != Interest::kRead) {
    waiting.events |= POLLOUT;
  }
  while (true) {
    const uint64_t now = NowNs();
    const uint64_t left = std::min(until > now ? until - now : 0, kLookNs);
    const timespec timeout{.tv_sec = static_cast<time_t>(left / 1'000'000'000ull),
                           .tv_nsec = static_cast<long>(left % 1'000'000'000ull)};
    const int ready = ppoll(&waiting, 1, &timeout, nullptr);
    if (ready < 0 && errno != EINTR) {
      return Status::FromErrno(StatusCode::kInternal, "poll failed", errno);
    }
    if (ready != 0) {
      return true;  // interrupted by a signal counts as well: the caller looks and waits again
    }
    if (PeerIsSilent(socket_.get(), silence_seconds_)) {
      return Status(StatusCode::kUnavailable, "the connection is lost: its other end is silent");
    }
    if (until <= NowNs()) {
      return false;
    }
  }
}

void SocketStream::Shutdown() {
  shutdown(socket_.get(), SHUT_RDWR);
}

}  // namespace farlane::transport
