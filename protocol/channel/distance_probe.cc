// SPDX-License-Identifier: Apache-2.0
#include "protocol/channel/distance_probe.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <thread>

#include "protocol/base/bytes.h"
#include "protocol/base/clock.h"
#include "protocol/transport/socket_stream.h"
#include "protocol/wire/hello.h"
#include "protocol/wire/messages.h"

namespace farlane::channel {
namespace {

using transport::Address;
using transport::Interest;

// A server that takes longer to answer is not one for a program that would like to run now.
constexpr uint64_t kAnswerNs = 2'000'000'000;

// The second half may well come so much faster than all of it: a connection begins slowly.
constexpr double kHalfMost = 16;

struct Ping {
  double took_s = 0;
  wire::PingReport report{};
};

Status SendAll(transport::Stream& stream, ConstBytes bytes, uint64_t deadline) {
  while (!bytes.empty()) {
    const iovec rest{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
    FARLANE_ASSIGN(const size_t sent, stream.Write(std::span(&rest, 1)));
    bytes = bytes.subspan(sent);
    if (sent == 0) {
      FARLANE_ASSIGN(const bool ready, stream.Wait(Interest::kWrite, deadline));
      if (!ready) {
        return Status(StatusCode::kTimeout, "it takes no bytes");
      }
    }
  }
  return Status::Ok();
}

Status ReceiveAll(transport::Stream& stream, Bytes into, uint64_t deadline) {
  while (!into.empty()) {
    FARLANE_ASSIGN(const transport::Transfer read, stream.Read(into));
    into = into.subspan(read.bytes);
    if (read.closed && !into.empty()) {
      return Status(StatusCode::kUnavailable, "it has closed the connection");
    }
    if (read.bytes == 0) {
      FARLANE_ASSIGN(const bool ready, stream.Wait(Interest::kRead, deadline));
      if (!ready) {
        return Status(StatusCode::kTimeout, "it does not answer");
      }
    }
  }
  return Status::Ok();
}

std::vector<std::byte> Words(uint64_t burst_bytes) {
  wire::ClientHello hello{};
  memcpy(hello.magic, wire::kHelloMagic, sizeof hello.magic);
  hello.version = wire::kProtocolVersion;
  hello.wire_hash = wire::kWireHash;
  hello.purpose = wire::Purpose::kPing;
  hello.slice.memory_bytes = burst_bytes;
  std::vector<std::byte> words(sizeof hello + burst_bytes);
  memcpy(words.data(), &hello, sizeof hello);
  return words;
}

// A connection for each: a server answers once.
Result<Ping> PingOnce(const Address& server, const std::vector<std::byte>& words) {
  FARLANE_ASSIGN(Fd socket, transport::Connect(server, kAnswerNs));
  transport::SocketStream stream(std::move(socket));
  const uint64_t start_ns = NowNs();
  FARLANE_TRY(SendAll(stream, words, start_ns + kAnswerNs));
  wire::ServerHello answer{};
  FARLANE_TRY(
      ReceiveAll(stream, std::as_writable_bytes(std::span(&answer, 1)), NowNs() + kAnswerNs));
  Ping ping{.took_s = static_cast<double>(NowNs() - start_ns) * 1e-9};
  if (memcmp(answer.magic, wire::kHelloMagic, sizeof answer.magic) != 0) {
    return Status(StatusCode::kCorrupt, "that is no GPU server");
  }
  // One of an earlier release says no, which takes as long.
  if (answer.verdict == wire::Verdict::kWelcome) {
    FARLANE_TRY(ReceiveAll(stream, std::as_writable_bytes(std::span(&ping.report, 1)),
                           NowNs() + kAnswerNs));
  }
  return ping;
}

// As the second half came, and no more than that all of it was on its way for so long.
void NoteBurst(const Ping& ping, uint64_t bytes, Distance* distance) {
  distance->carries_more = ping.took_s <= distance->rtt_p90_s;
  if (distance->carries_more) {
    distance->bytes_per_s = static_cast<double>(bytes) / std::max(ping.took_s, 1e-6);
    return;
  }
  const double sending_s = std::max(ping.took_s - distance->rtt_s, 1e-6);
  const double whole = static_cast<double>(bytes) / sending_s;
  if (ping.report.half_bytes == 0 || ping.report.half_ns == 0) {
    distance->bytes_per_s = whole;
    return;
  }
  const double half = static_cast<double>(ping.report.half_bytes) /
                      (static_cast<double>(ping.report.half_ns) * 1e-9);
  // A server that was late has read both halves at once.
  distance->bytes_per_s = std::clamp(half, whole, kHalfMost * whole);
}

}  // namespace

Result<Distance> ProbeDistance(const Address& server, const ProbePlan& plan) {
  if (server.kind == Address::Kind::kUnix) {
    return Status(StatusCode::kUnsupported, server.ToString() + " is on this machine");
  }
  Address plain = server;
  plain.kind = Address::Kind::kTcp;
  const uint64_t until_ns = NowNs() + plan.within_ns;
  const std::vector<std::byte> words = Words(0);
  std::vector<double> took_s;
  while (took_s.empty() || (took_s.size() < plan.pings && NowNs() < until_ns)) {
    FARLANE_ASSIGN(const Ping ping, PingOnce(plain, words));
    took_s.push_back(ping.took_s);
  }
  std::sort(took_s.begin(), took_s.end());
  Distance distance{.rtt_s = took_s[(took_s.size() - 1) / 2],
                    .rtt_p90_s = took_s[(took_s.size() - 1) * 9 / 10],
                    .pings = static_cast<uint32_t>(took_s.size())};
  if (const uint64_t bytes = std::min(plan.burst_bytes, wire::kPingBytesMax); bytes != 0) {
    FARLANE_ASSIGN(const Ping burst, PingOnce(plain, Words(bytes)));
    NoteBurst(burst, bytes, &distance);
  }
  return distance;
}

std::vector<Result<Distance>> ProbeDistances(const std::vector<Address>& servers,
                                             const ProbePlan& plan) {
  std::vector<std::optional<Result<Distance>>> found(servers.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < servers.size(); ++i) {
    threads.emplace_back([&, i] { found[i] = ProbeDistance(servers[i], plan); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  std::vector<Result<Distance>> distances;
  for (std::optional<Result<Distance>>& one : found) {
    distances.push_back(std::move(*one));
  }
  return distances;
}

}  // namespace farlane::channel
