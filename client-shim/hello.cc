// SPDX-License-Identifier: Apache-2.0
#include "client-shim/hello.h"

#include <cstring>
#include <utility>

#include <unistd.h>

#include "client-shim/kin.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/channel/way.h"
#include "protocol/transport/connect.h"
#include "protocol/wire/messages.h"

namespace farlane::shim {
namespace {

// Leaves time for the first answer, which must come within wire::kGreetingSilenceNs from the start.
constexpr uint64_t kConnectNs = 2'000'000'000;
// A server that goes on saying that its driver is loading is believed no longer than this.
constexpr uint64_t kStartingMaxNs = 60'000'000'000;
// After so long the person in front of the program is told what it waits for.
constexpr uint64_t kSayWaitingNs = 3'000'000'000;
constexpr uint64_t kSecondNs = 1'000'000'000;
// A server that says no when the time in its queue is over is given so long to say it.
constexpr uint64_t kQueueSlackNs = 5'000'000'000;

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

// A new connection has room for all of it.
Status SendHello(transport::Stream& stream, const wire::ClientHello& hello) {
  const iovec whole{.iov_base = const_cast<wire::ClientHello*>(&hello), .iov_len = sizeof hello};
  FARLANE_ASSIGN(const size_t sent, stream.Write(std::span(&whole, 1)));
  return sent == sizeof hello ? Status::Ok()
                              : Status(StatusCode::kUnavailable, "the connection takes no bytes");
}

bool IsAlone(const SessionTicket& session) {
  constexpr uint8_t kNone[sizeof session.id] = {};
  return memcmp(session.id, kNone, sizeof session.id) == 0;
}

// Without it all is the same, but for what monitoring programs see.
void ShowKin(wire::ClientHello* hello) {
  const Result<Sha256Digest> key = KinKey();
  if (!key.ok()) {
    LogDebug("monitoring programs will not see this process: %s", key.error().message().c_str());
    return;
  }
  static_assert(sizeof hello->session_key == sizeof *key);
  memcpy(hello->session_key, key->data(), sizeof hello->session_key);
}

wire::ClientHello MakeHello(const Config& config, wire::Purpose purpose, uint32_t offers) {
  wire::ClientHello hello{};
  memcpy(hello.magic, wire::kHelloMagic, sizeof hello.magic);
  hello.version = wire::kProtocolVersion;
  hello.purpose = purpose;
  hello.wire_hash = wire::kWireHash;
  hello.process = static_cast<uint32_t>(getpid());
  hello.offers = offers;
  char host[64] = {};
  gethostname(host, sizeof host - 1);
  CopyText(hello.host, host);
  CopyText(hello.program, ProgramName());
  CopyText(hello.token, config.token);
  hello.net_limit = config.net_limit;
  hello.slice = config.slice;
  memcpy(hello.session, config.session.id, sizeof hello.session);
  memcpy(hello.session_key, config.session.key, sizeof hello.session_key);
  if (IsAlone(config.session)) {
    ShowKin(&hello);
  }
  return hello;
}

Status ReceiveAnswer(transport::Stream& stream, uint64_t deadline, wire::ServerHello* answer) {
  FARLANE_TRY(ReceiveAll(stream, std::as_writable_bytes(std::span(answer, 1)), deadline));
  answer->reason[sizeof answer->reason - 1] = '\0';
  return Status::Ok();
}

bool IsOurs(const wire::ServerHello& answer) {
  return memcmp(answer.magic, wire::kHelloMagic, sizeof answer.magic) == 0;
}

// Until the server has decided.
Status ReceiveDecision(const transport::Address& server,
                       const Config& config,
                       transport::Stream& stream,
                       uint64_t start,
                       wire::ServerHello* answer) {
  FARLANE_TRY(ReceiveAnswer(stream, start + wire::kGreetingSilenceNs, answer));
  bool said = false;
  uint64_t queued_ns = 0;
  while (IsOurs(*answer) && (answer->verdict == wire::Verdict::kStarting ||
                             answer->verdict == wire::Verdict::kQueued)) {
    const uint64_t now = NowNs();
    const bool queued = answer->verdict == wire::Verdict::kQueued;
    const uint64_t since = std::exchange(queued_ns, queued ? now - start : queued_ns);
    if (queued && queued_ns > config.slice.queue_seconds * kSecondNs + kQueueSlackNs) {
      return Status(StatusCode::kTimeout, std::string("it goes on waiting: ") + answer->reason);
    }
    if (!queued && now - start - queued_ns > kStartingMaxNs) {
      return Status(StatusCode::kTimeout, "its driver is still not loaded");
    }
    if (queued && since == 0) {
      LogWarn("waiting for %s for up to %u s (FARLANE_QUEUE_TIMEOUT): %s",
              server.ToString().c_str(), config.slice.queue_seconds, answer->reason);
      said = true;
    } else if (!said && now - start > kSayWaitingNs) {
      LogWarn("waiting for %s: %s", server.ToString().c_str(), answer->reason);
      said = true;
    }
    FARLANE_TRY(ReceiveAnswer(stream, now + wire::kGreetingSilenceNs, answer));
  }
  return Status::Ok();
}

StatusCode CodeOf(wire::Verdict verdict) {
  switch (verdict) {
    case wire::Verdict::kWrongVersion:
      return StatusCode::kMismatch;
    case wire::Verdict::kRefused:
      return StatusCode::kRefused;
    case wire::Verdict::kNoDevice:
      return StatusCode::kNotFound;
    default:
      return StatusCode::kUnavailable;
  }
}

}  // namespace

Status ReceiveAll(transport::Stream& stream, Bytes bytes, uint64_t deadline) {
  while (!bytes.empty()) {
    FARLANE_ASSIGN(const transport::Transfer got, stream.Read(bytes));
    bytes = bytes.subspan(got.bytes);
    if (got.closed) {
      return Status(StatusCode::kUnavailable, "the connection was closed");
    }
    if (got.bytes == 0 && NowNs() >= deadline) {
      return Status(StatusCode::kTimeout, "no answer in time");
    }
    if (got.bytes == 0) {
      FARLANE_TRY(stream.Wait(transport::Interest::kRead, deadline));
    }
  }
  return Status::Ok();
}

namespace {

Result<Introduction> IntroduceOnce(const transport::Address& server,
                                   const Config& config,
                                   wire::Purpose purpose,
                                   uint32_t offers) {
  if (config.token.size() >= sizeof(wire::ClientHello::token)) {
    return Status(StatusCode::kInvalidArgument, "the token is longer than any token of ours");
  }
  const uint64_t start = NowNs();
  Introduction met;
  FARLANE_ASSIGN(met.stream, transport::ConnectStream(server, config.tls, kConnectNs));
  const wire::ClientHello hello = MakeHello(config, purpose, offers);
  FARLANE_TRY(SendHello(*met.stream, hello).While("saying hello to " + server.ToString()));
  FARLANE_TRY(ReceiveDecision(server, config, *met.stream, start, &met.answer)
                  .While("waiting for the answer of " + server.ToString()));
  if (!IsOurs(met.answer)) {
    return Status(StatusCode::kCorrupt,
                  "what answers at " + server.ToString() + " is not a Farlane GPU server");
  }
  // A server looks at this as well; one that does not, or lies, must not be talked to either.
  if (met.answer.verdict == wire::Verdict::kWelcome &&
      (met.answer.version != wire::kProtocolVersion || met.answer.wire_hash != wire::kWireHash)) {
    met.answer.verdict = wire::Verdict::kWrongVersion;
  }
  return met;
}

}  // namespace

// A pool has sent us there, because the server is well: one that is not there is being started
// again, and what it has promised it keeps.
uint64_t PatienceNs(const Config& config) {
  // A daemon that is started again listens again within this.
  constexpr uint64_t kRestartNs = 10 * kSecondNs;
  return !config.token.empty() && !IsAlone(config.session) ? kRestartNs : 0;
}

Result<Introduction> Introduce(const transport::Address& server,
                               const Config& config,
                               wire::Purpose purpose,
                               uint32_t offers) {
  const uint64_t until_ns = NowNs() + PatienceNs(config);
  while (true) {
    Result<Introduction> met = IntroduceOnce(server, config, purpose, offers);
    const bool is_away = !met.ok() && (met.error().code() == StatusCode::kUnavailable ||
                                       met.error().code() == StatusCode::kTimeout);
    if (!is_away || NowNs() >= until_ns) {
      return met;
    }
    LogDebug("%s; trying again", met.error().message().c_str());
    usleep(kRestartPauseUs);
  }
}

std::string WhyNotWelcome(const wire::ServerHello& answer) {
  std::string text;
  switch (answer.verdict) {
    case wire::Verdict::kWelcome:
      return "welcome";
    case wire::Verdict::kWrongVersion:
      text = "it speaks protocol version " + std::to_string(answer.version) + ", this library " +
             std::to_string(wire::kProtocolVersion) +
             (answer.version == wire::kProtocolVersion ? " with another table of messages" : "") +
             ": install the same version of Farlane on both sides";
      break;
    case wire::Verdict::kRefused:
      text = "it refused the token (FARLANE_TOKEN or FARLANE_TOKEN_FILE) or the session";
      break;
    case wire::Verdict::kNoDevice:
      text = "it has no usable GPU";
      break;
    case wire::Verdict::kBusy:
      text = "it cannot give what is asked for";
      break;
    default:
      text = "it did not understand the greeting";
      break;
  }
  return answer.reason[0] == '\0' ? text : text + " (" + answer.reason + ")";
}

Result<std::unique_ptr<transport::Stream>> FindWay(const transport::Address& server,
                                                   const Config& config,
                                                   wire::ServerHello* answer) {
  FARLANE_TRY(channel::CheckWish(config.transport, server));
  uint32_t offers = channel::OffersOf(config.transport, server);
  while (true) {
    FARLANE_ASSIGN(Introduction met, Introduce(server, config, wire::Purpose::kCommands, offers));
    *answer = met.answer;
    if (met.answer.verdict != wire::Verdict::kWelcome) {
      return Status(CodeOf(met.answer.verdict),
                    server.ToString() + " does not serve us: " + WhyNotWelcome(met.answer));
    }
    Result<std::unique_ptr<transport::Stream>> way = channel::FollowWay(
        offers, met.answer, std::move(met.stream), NowNs() + wire::kGreetingSilenceNs);
    if (!way.ok() && offers != 0 && config.transport == channel::WishedTransport::kAuto) {
      LogDebug("no shared memory: %s", way.error().message().c_str());
      offers = 0;
      continue;
    }
    FARLANE_ASSIGN(std::unique_ptr<transport::Stream> stream,
                   std::move(way).While("finding a way to " + server.ToString()));
    FARLANE_TRY(channel::CheckFound(config.transport, *stream));
    return stream;
  }
}

}  // namespace farlane::shim
