// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/greeter.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <sys/socket.h>

#include "gpu-server/daemon/service_desk.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"

namespace farlane::server {
namespace {

// A hello that has arrived in part makes its socket readable all the time, so it is looked at now
// and then instead.
constexpr uint64_t kPartialNs = 5'000'000;

constexpr uint64_t kSecondNs = 1'000'000'000;

// The doorman has a limit of its own, and says so; this is for one that says nothing.
constexpr uint64_t kDoormanNs = 2 * Greeter::kSilenceNs;
// An agent that was just started has to hear from the pool first.
constexpr uint64_t kJudgeNs = 20'000'000'000;

// The first byte of a handshake of TLS; a hello of ours begins with a letter.
constexpr char kTlsHandshake = 0x16;

std::string BytesOf(const wire::ServerHello& answer) {
  return {reinterpret_cast<const char*>(&answer), sizeof answer};
}

}  // namespace

Greeter::Greeter(Admission admission,
                 const uint8_t (&boot)[16],
                 DoormanLink& doorman,
                 PoolLink& pool,
                 IsMember is_member)
    : admission_(std::move(admission)),
      doorman_(doorman),
      pool_(pool),
      is_member_(std::move(is_member)) {
  memcpy(boot_, boot, sizeof boot_);
}

void Greeter::Welcome(Fd socket, Door door, uint64_t now_ns) {
  if (connections_.size() >= kConnectionsMax) {
    LogWarn("too many connections say nothing; a new one is closed");
    return;
  }
  Connection connection{
      .socket = std::move(socket), .door = door, .newcomer = {}, .until_ns = now_ns + kSilenceNs};
  if (door == Door::kOwnUser && !IsOwnUser(connection.socket.get())) {
    Refuse(connection, {wire::Verdict::kRefused, "this socket serves its own user only"}, now_ns);
  }
  connections_.push_back(std::move(connection));
}

void Greeter::AppendPolls(std::vector<pollfd>* polls) const {
  for (const Connection& connection : connections_) {
    if (connection.state == State::kSilent || connection.state == State::kPinging ||
        connection.state == State::kLeaving) {
      polls->push_back({.fd = connection.socket.get(), .events = POLLIN, .revents = 0});
    } else if (connection.state == State::kTold) {
      polls->push_back({.fd = connection.socket.get(), .events = POLLOUT, .revents = 0});
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
    if (connection.state == State::kWaiting || connection.state == State::kJudged) {
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
    case State::kPinging:
      TakePing(connection, now_ns);
      break;
    case State::kTold:
      SendRest(connection, now_ns);
      break;
    case State::kLeaving:
      Discard(connection);
      break;
    case State::kJudged:
      if (now_ns >= connection.tell_ns) {
        TellToWait(connection, {wire::Verdict::kStarting, "its agent looks at the token"}, now_ns);
      }
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
  PeekAtHello(connection, hello, static_cast<size_t>(got), now_ns);
  explicit_bzero(&hello, sizeof hello);  // the stack goes to the next worker
}

void Greeter::PeekAtHello(Connection& connection,
                          const wire::ClientHello& hello,
                          size_t got,
                          uint64_t now_ns) {
  const bool under_tls = hello.magic[0] == kTlsHandshake;
  if (under_tls && connection.door == Door::kTls) {
    LeadToDoorman(connection, now_ns);
    return;
  }
  if (!Admission::CanBeHello(hello.magic, got)) {
    LogInfo(under_tls ? "a connection that speaks TLS is closed: this address does not"
                      : "a connection that does not speak our protocol is closed");
    connection.state = State::kDone;
    return;
  }
  if (got < sizeof hello) {
    connection.state = State::kPartial;
    return;
  }
  if (hello.purpose == wire::Purpose::kPing) {
    BeginPing(connection, hello, now_ns);
    return;
  }
  if (connection.door == Door::kTls) {
    LogInfo("a connection that does not speak TLS is closed: this address does");
    Refuse(connection, {wire::Verdict::kBadHello, "it speaks TLS: the address begins with tls://"},
           now_ns);
    return;
  }
  Decide(connection, hello, now_ns);
}

// It learns no more than a connection tells anybody, so it shows no token.
void Greeter::BeginPing(Connection& connection, const wire::ClientHello& hello, uint64_t now_ns) {
  const uint64_t bytes = hello.slice.memory_bytes;
  if (bytes > wire::kPingBytesMax) {
    Refuse(
        connection,
        {wire::Verdict::kBadHello, "a ping brings at most " + std::to_string(wire::kPingBytesMax) +
                                       " bytes, not " + std::to_string(bytes)},
        now_ns);
    return;
  }
  connection.state = State::kPinging;
  connection.ping = {.left = sizeof hello + bytes, .half = bytes / 2};
  TakePing(connection, now_ns);
}

void Greeter::TakePing(Connection& connection, uint64_t now_ns) {
  Ping& ping = connection.ping;
  char bytes[64 << 10];
  while (ping.left != 0) {
    const ssize_t got = recv(connection.socket.get(), bytes,
                             std::min<uint64_t>(sizeof bytes, ping.left), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
      return;
    }
    if (got <= 0) {
      connection.state = State::kDone;
      return;
    }
    ping.left -= static_cast<uint64_t>(got);
    if (ping.half_since_ns == 0 && ping.left <= ping.half) {
      ping.half_bytes = ping.left;
      ping.half_since_ns = NowNs();
    }
  }
  const wire::PingReport report{.half_bytes = ping.half_bytes,
                                .half_ns = NowNs() - ping.half_since_ns};
  Tell(connection, {reinterpret_cast<const char*>(&report), sizeof report}, now_ns);
}

void Greeter::LeadToDoorman(Connection& connection, uint64_t now_ns) {
  connection.guest = next_guest_++;
  connection.state = State::kGuest;
  connection.until_ns = now_ns + kDoormanNs;
  if (!doorman_.Lead(connection.guest, connection.socket)) {
    LogWarn("a connection cannot be met under TLS now; it is closed");
    connection.state = State::kDone;
  }
}

Greeter::Connection* Greeter::Find(Guest guest) {
  const auto found = std::find_if(
      connections_.begin(), connections_.end(),
      [guest](const Connection& one) { return one.guest == guest && one.state != State::kDone; });
  return found == connections_.end() ? nullptr : &*found;
}

void Greeter::Met(Guest guest, const std::string& hello_and_name, uint64_t now_ns) {
  Connection* const connection = Find(guest);
  wire::ClientHello hello{};
  if (connection == nullptr || connection->state != State::kGuest ||
      hello_and_name.size() < sizeof hello) {
    return;
  }
  memcpy(&hello, hello_and_name.data(), sizeof hello);
  if (hello_and_name.size() > sizeof hello) {
    const std::string name = hello_and_name.substr(sizeof hello);
    LogInfo("a client has shown the certificate of %s",
            Printable(name.data(), name.size()).c_str());
  }
  Decide(*connection, hello, now_ns);
  explicit_bzero(&hello, sizeof hello);
}

void Greeter::TurnedAway(Guest guest, const std::string& why) {
  if (Connection* const connection = Find(guest); connection != nullptr) {
    LogInfo("a connection under TLS is closed: %s", why.c_str());
    connection->state = State::kDone;
  }
}

void Greeter::LoseGuests() {
  for (Connection& connection : connections_) {
    connection.state = connection.guest != 0 ? State::kDone : connection.state;
  }
}

void Greeter::Decide(Connection& connection, const wire::ClientHello& hello, uint64_t now_ns) {
  const Decision decision = admission_.Decide(hello);
  connection.newcomer = Newcomer::FromHello(hello);
  if (decision.verdict != wire::Verdict::kWelcome) {
    LogInfo("%s (pid %u on %s) is not served: %s", connection.newcomer.program.c_str(),
            hello.process, connection.newcomer.host.c_str(), decision.reason.c_str());
    Refuse(connection, decision, now_ns);
    return;
  }
  if (admission_.AsksPool(hello) && !is_member_(connection.newcomer)) {
    LeadToJudge(connection, hello, now_ns);
    return;
  }
  LetWait(connection, now_ns);
}

void Greeter::LeadToJudge(Connection& connection, const wire::ClientHello& hello, uint64_t now_ns) {
  connection.state = State::kJudged;
  connection.ticket = next_ticket_++;
  connection.until_ns = now_ns + kJudgeNs;
  connection.tell_ns = now_ns + wire::kStartingEveryNs;
  if (!pool_.Judge(connection.ticket, hello)) {
    Refuse(connection, {wire::Verdict::kRefused, "the server has no connection to its agent now"},
           now_ns);
  }
}

void Greeter::Judged(uint64_t ticket, bool right, const std::string& tail, uint64_t now_ns) {
  const auto found =
      std::find_if(connections_.begin(), connections_.end(), [ticket](const Connection& one) {
        return one.state == State::kJudged && one.ticket == ticket;
      });
  if (found == connections_.end()) {
    return;
  }
  PoolGrant grant{};
  if (right && tail.size() == sizeof grant) {
    // What the pool has granted, whatever the client would like. Where the pool sets no limit to
    // what the session moves, the client may.
    memcpy(&grant, tail.data(), sizeof grant);
    found->newcomer.slice = grant.slice;
    if (grant.net_limit != 0) {
      found->newcomer.net_limit = grant.net_limit;
    }
    LetWait(*found, now_ns);
    return;
  }
  const std::string why = right ? "its agent speaks another version" : tail;
  LogInfo("%s (pid %u on %s) is not served: %s", found->newcomer.program.c_str(),
          found->newcomer.process, found->newcomer.host.c_str(),
          Printable(why.data(), why.size()).c_str());
  Refuse(*found, {wire::Verdict::kRefused, why}, now_ns);
}

void Greeter::LoseJudge(uint64_t now_ns) {
  for (Connection& connection : connections_) {
    if (connection.state == State::kJudged) {
      Refuse(connection, {wire::Verdict::kRefused, "the server's agent has ended; try again"},
             now_ns);
    }
  }
}

void Greeter::LetWait(Connection& connection, uint64_t now_ns) {
  connection.state = State::kWaiting;
  connection.until_ns = now_ns + kPatienceNs;
  connection.tell_ns = now_ns;
  connection.queue_ns = now_ns + connection.newcomer.slice.queue_seconds * kSecondNs;
}

// A client cannot tell a driver that loads from a server that hangs unless it is told.
void Greeter::TellToWait(Connection& connection, const Decision& decision, uint64_t now_ns) {
  const wire::ServerHello answer = MakeServerHello(decision, boot_);
  connection.tell_ns = now_ns + wire::kStartingEveryNs;
  if (connection.guest != 0) {
    doorman_.Say(connection.guest, BytesOf(answer), false);
    return;
  }
  const ssize_t sent =
      send(connection.socket.get(), &answer, sizeof answer, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(sizeof answer)) {
    connection.state = State::kDone;  // it is gone, or takes nothing of what it waits for
  }
}

// What it asks for is promised to others, who may leave.
void Greeter::Queue(Connection& connection, const Decision& decision, uint64_t now_ns) {
  if (connection.queued_for.empty()) {
    LogInfo("%s (pid %u on %s) waits: %s", connection.newcomer.program.c_str(),
            connection.newcomer.process, connection.newcomer.host.c_str(), decision.reason.c_str());
    connection.tell_ns = now_ns;
  }
  connection.queued_for = decision.reason;
  connection.until_ns = connection.queue_ns;
  if (now_ns >= connection.tell_ns) {
    TellToWait(connection, {wire::Verdict::kQueued, decision.reason}, now_ns);
  }
}

void Greeter::Refuse(Connection& connection, const Decision& decision, uint64_t now_ns) {
  const wire::ServerHello answer = MakeServerHello(decision, boot_);
  if (connection.guest != 0) {
    doorman_.Say(connection.guest, BytesOf(answer), true);  // who sees to it that it arrives
    connection.state = State::kDone;
    return;
  }
  // Fits the empty buffer of a new socket; whoever has filled it gets no answer.
  static_cast<void>(
      send(connection.socket.get(), &answer, sizeof answer, MSG_DONTWAIT | MSG_NOSIGNAL));
  Leave(connection, now_ns);
}

void Greeter::Tell(Connection& connection, const std::string& answer, uint64_t now_ns) {
  connection.unsent = BytesOf(MakeServerHello({}, boot_)) + answer;
  if (connection.guest != 0) {
    doorman_.Say(connection.guest, connection.unsent, true);
    connection.state = State::kDone;
    return;
  }
  connection.state = State::kTold;
  connection.until_ns = now_ns + kSilenceNs;
  SendRest(connection, now_ns);
}

void Greeter::SendRest(Connection& connection, uint64_t now_ns) {
  const ssize_t sent = send(connection.socket.get(), connection.unsent.data(),
                            connection.unsent.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) {
    connection.state = State::kDone;
    return;
  }
  connection.unsent.erase(0, sent > 0 ? static_cast<size_t>(sent) : 0);
  if (connection.unsent.empty()) {
    Leave(connection, now_ns);
  }
}

void Greeter::Leave(Connection& connection, uint64_t now_ns) {
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
      Refuse(connection,
             {wire::Verdict::kBusy, connection.queued_for.empty() ? "no worker got ready in time"
                                                                  : connection.queued_for},
             now_ns);
      break;
    case State::kJudged:
      Refuse(connection, {wire::Verdict::kRefused, "the server's agent does not answer"}, now_ns);
      break;
    case State::kTold:
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
    Settle(connection, take(connection.socket, connection.newcomer, connection.guest), now_ns);
  }
  std::erase_if(connections_, [](const Connection& one) { return one.state == State::kDone; });
}

void Greeter::Settle(Connection& connection, const Placement& placement, uint64_t now_ns) {
  if (placement.taken) {
    connection.state = State::kDone;
  } else if (!placement.answer.empty()) {
    Tell(connection, placement.answer, now_ns);
  } else if (placement.refusal.has_value() && placement.refusal->for_now &&
             now_ns < connection.queue_ns) {
    Queue(connection, *placement.refusal, now_ns);
  } else if (placement.refusal.has_value()) {
    LogInfo("%s (pid %u on %s) is not served: %s", connection.newcomer.program.c_str(),
            connection.newcomer.process, connection.newcomer.host.c_str(),
            placement.refusal->reason.c_str());
    Refuse(connection, *placement.refusal, now_ns);
  } else {
    if (!std::exchange(connection.queued_for, {}).empty()) {
      connection.until_ns = now_ns + kPatienceNs;
    }
    if (now_ns >= connection.tell_ns) {
      TellToWait(connection, {wire::Verdict::kStarting, "the server is loading its driver"},
                 now_ns);
    }
  }
}

size_t Greeter::waiting_count() const {
  return static_cast<size_t>(
      std::count_if(connections_.begin(), connections_.end(), [](const Connection& one) {
        return one.state == State::kWaiting && !one.newcomer.asks && one.queued_for.empty();
      }));
}

void Greeter::RefuseWaiting(const Decision& decision, uint64_t now_ns) {
  for (Connection& connection : connections_) {
    if (connection.state == State::kWaiting && connection.queued_for.empty()) {
      Refuse(connection, decision, now_ns);
    }
  }
}

}  // namespace farlane::server
