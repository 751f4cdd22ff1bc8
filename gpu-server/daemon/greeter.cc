// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/greeter.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/socket.h>

#include "gpu-server/daemon/service_desk.h"
#include "protocol/base/log.h"

namespace farlane::server {
namespace {

// A hello that has arrived in part makes its socket readable all the time, so it is looked at now
// and then instead.
constexpr uint64_t kPartialNs = 5'000'000;

}  // namespace

Greeter::Greeter(Admission admission, const uint8_t (&boot)[16])
    : admission_(std::move(admission)) {
  memcpy(boot_, boot, sizeof boot_);
}

void Greeter::Welcome(Fd socket, bool is_unix, uint64_t now_ns) {
  if (connections_.size() >= kConnectionsMax) {
    LogWarn("too many connections say nothing; a new one is closed");
    return;
  }
  Connection connection{
      .socket = std::move(socket), .newcomer = {}, .until_ns = now_ns + kSilenceNs};
  if (is_unix && !IsOwnUser(connection.socket.get())) {
    Refuse(connection, {wire::Verdict::kRefused, "this socket serves its own user only"}, now_ns);
  }
  connections_.push_back(std::move(connection));
}

void Greeter::AppendPolls(std::vector<pollfd>* polls) const {
  for (const Connection& connection : connections_) {
    if (connection.state == State::kSilent || connection.state == State::kLeaving) {
      polls->push_back({.fd = connection.socket.get(), .events = POLLIN, .revents = 0});
    }
  }
}

uint64_t Greeter::NextTime(uint64_t now_ns) const {
  uint64_t next = UINT64_MAX;
  for (const Connection& connection : connections_) {
    next = std::min(next, connection.until_ns);
    if (connection.state == State::kPartial) {
      next = std::min(next, now_ns + kPartialNs);
    }
    if (connection.state == State::kWaiting) {
      next = std::min(next, connection.tell_ns);
    }
  }
  return next;
}

void Greeter::Look(uint64_t now_ns) {
  for (Connection& connection : connections_) {
    LookAt(connection, now_ns);
  }
  std::erase_if(connections_, [](const Connection& one) { return one.state == State::kDone; });
}

void Greeter::LookAt(Connection& connection, uint64_t now_ns) {
  switch (connection.state) {
    case State::kSilent:
    case State::kPartial:
      Peek(connection, now_ns);
      break;
    case State::kLeaving:
      Discard(connection);
      break;
    default:
      break;
  }
  if (connection.state != State::kDone && now_ns >= connection.until_ns) {
    Expire(connection, now_ns);
  }
}

void Greeter::Peek(Connection& connection, uint64_t now_ns) {
  wire::ClientHello hello{};
  const ssize_t got = recv(connection.socket.get(), &hello, sizeof hello, MSG_PEEK | MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
    return;
  }
  if (got <= 0) {
    connection.state = State::kDone;
    return;
  }
  if (!Admission::CanBeHello(hello.magic, static_cast<size_t>(got))) {
    LogInfo("a connection that does not speak our protocol is closed");
    connection.state = State::kDone;
    return;
  }
  if (static_cast<size_t>(got) < sizeof hello) {
    connection.state = State::kPartial;
    return;
  }
  const Decision decision = admission_.Decide(hello);
  connection.newcomer = Newcomer::FromHello(hello);
  explicit_bzero(hello.token, sizeof hello.token);  // the stack goes to the next worker
  explicit_bzero(hello.session_key, sizeof hello.session_key);
  if (decision.verdict != wire::Verdict::kWelcome) {
    LogInfo("%s (pid %u on %s) is not served: %s", connection.newcomer.program.c_str(),
            hello.process, connection.newcomer.host.c_str(), decision.reason.c_str());
    Refuse(connection, decision, now_ns);
    return;
  }
  connection.state = State::kWaiting;
  connection.until_ns = now_ns + kPatienceNs;
  connection.tell_ns = now_ns;
}

// A client cannot tell a driver that loads from a server that hangs unless it is told.
void Greeter::TellToWait(Connection& connection, uint64_t now_ns) {
  const wire::ServerHello answer =
      MakeServerHello({wire::Verdict::kStarting, "the server is loading its driver"}, boot_);
  const ssize_t sent =
      send(connection.socket.get(), &answer, sizeof answer, MSG_DONTWAIT | MSG_NOSIGNAL);
  connection.tell_ns = now_ns + wire::kStartingEveryNs;
  if (sent != static_cast<ssize_t>(sizeof answer)) {
    connection.state = State::kDone;  // it is gone, or takes nothing of what it waits for
  }
}

void Greeter::Refuse(Connection& connection, const Decision& decision, uint64_t now_ns) {
  const wire::ServerHello answer = MakeServerHello(decision, boot_);
  // Fits the empty buffer of a new socket; whoever has filled it gets no answer.
  static_cast<void>(
      send(connection.socket.get(), &answer, sizeof answer, MSG_DONTWAIT | MSG_NOSIGNAL));
  shutdown(connection.socket.get(), SHUT_WR);
  connection.state = State::kLeaving;
  connection.until_ns = now_ns + kFarewellNs;
  Discard(connection);  // the hello, so that even a daemon that ends at once does not reset
}

// Closing with something unread would reset the connection, and take the answer back from under
// the peer's eyes.
void Greeter::Discard(Connection& connection) {
  char bytes[4096];
  const ssize_t got = recv(connection.socket.get(), bytes, sizeof bytes, MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
    connection.state = State::kDone;
  }
}

void Greeter::Expire(Connection& connection, uint64_t now_ns) {
  switch (connection.state) {
    case State::kWaiting:
      Refuse(connection, {wire::Verdict::kBusy, "no worker got ready in time"}, now_ns);
      break;
    case State::kLeaving:
      connection.state = State::kDone;
      break;
    default:
      LogInfo("a connection that does not say hello is closed");
      connection.state = State::kDone;
      break;
  }
}

void Greeter::Serve(const Take& take, uint64_t now_ns) {
  for (Connection& connection : connections_) {
    if (connection.state != State::kWaiting) {
      continue;
    }
    const Placement placement = take(connection.socket, connection.newcomer);
    if (placement.taken) {
      connection.state = State::kDone;
    } else if (placement.refusal.has_value()) {
      LogInfo("%s (pid %u on %s) is not served: %s", connection.newcomer.program.c_str(),
              connection.newcomer.process, connection.newcomer.host.c_str(),
              placement.refusal->reason.c_str());
      Refuse(connection, *placement.refusal, now_ns);
    } else if (now_ns >= connection.tell_ns) {
      TellToWait(connection, now_ns);
    }
  }
  std::erase_if(connections_, [](const Connection& one) { return one.state == State::kDone; });
}

size_t Greeter::waiting_count() const {
  return static_cast<size_t>(
      std::count_if(connections_.begin(), connections_.end(),
                    [](const Connection& one) { return one.state == State::kWaiting; }));
}

void Greeter::RefuseWaiting(const Decision& decision, uint64_t now_ns) {
  for (Connection& connection : connections_) {
    if (connection.state == State::kWaiting) {
      Refuse(connection, decision, now_ns);
    }
  }
}

}  // namespace farlane::server
