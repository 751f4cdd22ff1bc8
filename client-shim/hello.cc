// SPDX-License-Identifier: Apache-2.0
#include "client-shim/hello.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/wire/messages.h"

namespace farlane::shim {
namespace {

constexpr uint64_t kConnectNs = 2'000'000'000;
constexpr uint64_t kAnswerNs =
    10'000'000'000;  // a worker that is not warm has to start its driver first

template <size_t N>
void CopyText(char (&to)[N], const std::string& text) {
  const size_t size = std::min(text.size(), N - 1);
  memcpy(to, text.data(), size);
  to[size] = '\0';
}

std::string ProgramName() {
  char path[256];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  const std::string whole(path, size > 0 ? static_cast<size_t>(size) : 0);
  return whole.substr(whole.rfind('/') + 1);
}

Status SendAll(int socket, const void* bytes, size_t size) {
  const char* from = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t sent = send(socket, from, size, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EINTR || errno == EAGAIN)) {
      pollfd waiting{.fd = socket, .events = POLLOUT, .revents = 0};
      poll(&waiting, 1, 100);
      continue;
    }
    if (sent < 0) {
      return Status::FromErrno(StatusCode::kUnavailable, "cannot send", errno);
    }
    from += sent;
    size -= static_cast<size_t>(sent);
  }
  return Status::Ok();
}

Status ReceiveAll(int socket, void* bytes, size_t size, uint64_t deadline) {
  char* to = static_cast<char*>(bytes);
  while (size > 0) {
    const uint64_t now = NowNs();
    if (now >= deadline) {
      return Status(StatusCode::kTimeout, "no answer in time");
    }
    pollfd waiting{.fd = socket, .events = POLLIN, .revents = 0};
    poll(&waiting, 1, static_cast<int>((deadline - now) / 1'000'000) + 1);
    const ssize_t got = recv(socket, to, size, MSG_DONTWAIT);
    if (got == 0) {
      return Status(StatusCode::kUnavailable, "the connection was closed");
    }
    if (got < 0 && errno != EAGAIN && errno != EINTR) {
      return Status::FromErrno(StatusCode::kUnavailable, "cannot receive", errno);
    }
    if (got > 0) {
      to += got;
      size -= static_cast<size_t>(got);
    }
  }
  return Status::Ok();
}

wire::ClientHello MakeHello(const std::string& token) {
  wire::ClientHello hello{};
  memcpy(hello.magic, wire::kHelloMagic, sizeof hello.magic);
  hello.version = wire::kProtocolVersion;
  hello.purpose = wire::Purpose::kCommands;
  hello.wire_hash = wire::kWireHash;
  hello.process = static_cast<uint32_t>(getpid());
  char host[64] = {};
  gethostname(host, sizeof host - 1);
  CopyText(hello.host, host);
  CopyText(hello.program, ProgramName());
  CopyText(hello.token, token);
  return hello;
}

}  // namespace

Result<Introduction> Introduce(const transport::Address& server, const std::string& token) {
  if (token.size() >= sizeof(wire::ClientHello::token)) {
    return Status(StatusCode::kInvalidArgument, "the token is longer than any token of ours");
  }
  Introduction met;
  FARLANE_ASSIGN(met.socket, transport::Connect(server, kConnectNs));
  const wire::ClientHello hello = MakeHello(token);
  FARLANE_TRY(SendAll(met.socket.get(), &hello, sizeof hello)
                  .While("saying hello to " + server.ToString()));
  FARLANE_TRY(ReceiveAll(met.socket.get(), &met.answer, sizeof met.answer, NowNs() + kAnswerNs)
                  .While("waiting for the answer of " + server.ToString()));
  if (memcmp(met.answer.magic, wire::kHelloMagic, sizeof met.answer.magic) != 0) {
    return Status(StatusCode::kCorrupt,
                  "what answers at " + server.ToString() + " is not a Farlane GPU server");
  }
  met.answer.reason[sizeof met.answer.reason - 1] = '\0';
  return met;
}

std::string WhyNotWelcome(const wire::ServerHello& answer) {
  std::string text;
  switch (answer.verdict) {
    case wire::Verdict::kWelcome:
      return "welcome";
    case wire::Verdict::kWrongVersion:
      text = "it speaks protocol version " + std::to_string(answer.version) + ", this library " +
             std::to_string(wire::kProtocolVersion) +
             ": install the same version of Farlane on both sides";
      break;
    case wire::Verdict::kRefused:
      text = "it refused the token (FARLANE_TOKEN or FARLANE_TOKEN_FILE)";
      break;
    case wire::Verdict::kNoDevice:
      text = "it has no usable GPU";
      break;
    case wire::Verdict::kBusy:
      text = "it has no room for another client";
      break;
    default:
      text = "it did not understand the greeting";
      break;
  }
  return answer.reason[0] == '\0' ? text : text + " (" + answer.reason + ")";
}

}  // namespace farlane::shim
