// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/probe.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>

#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/environment.h"
#include "protocol/channel/batch_reader.h"
#include "protocol/transport/connect.h"
#include "protocol/wire/messages.h"

namespace farlane::cli {
namespace {

constexpr size_t kDevicesMax = 1024;  // more than any machine has; a peer may not grow us further
// A server that goes on saying that it starts is believed no longer than this.
constexpr uint64_t kStartingMaxNs = 60'000'000'000;
// Positions in a device's list of attributes are the driver API's attribute numbers.
constexpr size_t kAttributeComputeMajor = 75;
constexpr size_t kAttributeComputeMinor = 76;

// What a peer says goes to a terminal only without the power to steer it.
std::string Printable(std::string_view text) {
  std::string clean;
  for (const char letter : text) {
    clean += letter >= ' ' && letter <= '~' ? letter : '?';
  }
  return clean;
}

template <size_t kSize>
std::string Field(const char (&text)[kSize]) {
  return Printable(std::string_view(text, strnlen(text, kSize)));
}

template <size_t kSize>
void Put(const std::string& text, char (&field)[kSize]) {
  memcpy(field, text.data(), text.size() < kSize ? text.size() : kSize - 1);
}

Result<wire::ClientHello> MakeHello(const std::string& token, uint32_t offers) {
  wire::ClientHello hello{};
  if (token.size() >= sizeof hello.token) {
    return Status(
        StatusCode::kInvalidArgument,
        "the token is longer than " + std::to_string(sizeof hello.token - 1) + " characters");
  }
  memcpy(hello.magic, wire::kHelloMagic, sizeof hello.magic);
  hello.version = wire::kProtocolVersion;
  hello.purpose = wire::Purpose::kProbe;
  hello.wire_hash = wire::kWireHash;
  hello.process = static_cast<uint32_t>(getpid());
  hello.offers = offers;
  char host[sizeof hello.host] = {};
  gethostname(host, sizeof host - 1);
  Put(host, hello.host);
  Put("farlane", hello.program);
  Put(token, hello.token);
  return hello;
}

Status SendAll(transport::Stream& stream, ConstBytes bytes, uint64_t deadline) {
  while (!bytes.empty()) {
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};  // Write does not change it
    FARLANE_ASSIGN(const size_t sent, stream.Write(std::span(&part, 1)));
    bytes = bytes.subspan(sent);
    if (sent == 0) {
      FARLANE_ASSIGN(const bool ready, stream.Wait(transport::Interest::kWrite, deadline));
      if (!ready) {
        return Status(StatusCode::kTimeout, "it takes no bytes");
      }
    }
  }
  return Status::Ok();
}

Status NotAServer() {
  return Status(StatusCode::kMismatch, "something answers there, but not a Farlane server");
}

// Reads the fixed-size answer; a peer of another kind is recognised by its first bytes.
Result<wire::ServerHello> ReadHello(transport::Stream& stream, uint64_t deadline) {
  wire::ServerHello hello{};
  auto* const to = reinterpret_cast<std::byte*>(&hello);
  size_t have = 0;
  while (have < sizeof hello) {
    FARLANE_ASSIGN(const transport::Transfer got,
                   stream.Read(Bytes(to + have, sizeof hello - have)));
    have += got.bytes;
    if (memcmp(hello.magic, wire::kHelloMagic, std::min(have, sizeof hello.magic)) != 0) {
      return NotAServer();
    }
    if (got.closed) {
      return Status(StatusCode::kMismatch,
                    "it closed the connection without an answer: not a Farlane server, or one that "
                    "is ending");
    }
    if (got.bytes == 0 && NowNs() >= deadline) {
      return Status(StatusCode::kTimeout,
                    "somebody listens there, but did not answer in time: not a Farlane server, or "
                    "one that hangs");
    }
    if (got.bytes == 0) {
      FARLANE_TRY(stream.Wait(transport::Interest::kRead, deadline));
    }
  }
  return hello;
}

int32_t Attribute(const wire::Device& device, size_t number) {
  int32_t value = 0;
  if (device.attributes.size() >= (number + 1) * sizeof value) {
    memcpy(&value, device.attributes.data() + number * sizeof value, sizeof value);
  }
  return value;
}

wire::WireError TakeDevice(ConstBytes body, ServerReport* report) {
  wire::Device device;
  FARLANE_WIRE_TRY(Decode(body, &device));
  if (report->devices.size() == kDevicesMax) {
    return wire::WireError::kTooLong;
  }
  report->devices.push_back({.ordinal = device.ordinal,
                             .name = Printable(device.name),
                             .pci_bus_id = Printable(device.pci_bus_id),
                             .total_bytes = device.total_bytes,
                             .arena_address = device.arena_address,
                             .arena_bytes = device.arena_bytes,
                             .compute_major = Attribute(device, kAttributeComputeMajor),
                             .compute_minor = Attribute(device, kAttributeComputeMinor)});
  return wire::WireError::kNone;
}

// One look at what has arrived. `*done` once the welcome was among it.
wire::WireError TakeMessages(channel::BatchReader& reader, ServerReport* report, bool* done) {
  while (!*done) {
    wire::MessageView message;
    bool found = false;
    FARLANE_WIRE_TRY(reader.Next(&message, &found));
    if (!found) {
      break;
    }
    if (message.op == static_cast<uint16_t>(wire::Op::kDevice)) {
      FARLANE_WIRE_TRY(TakeDevice(message.body, report));
    } else if (message.op == static_cast<uint16_t>(wire::Op::kWelcome)) {
      wire::Welcome welcome;
      FARLANE_WIRE_TRY(Decode(message.body, &welcome));
      report->driver_version = welcome.driver_version;
      report->driver_path = Printable(welcome.driver_path);
      *done = true;
    }
  }
  return wire::WireError::kNone;
}

Status ReadDevices(transport::Stream& stream, uint64_t deadline, ServerReport* report) {
  channel::BatchReader reader(stream, wire::Side::kServer);
  bool done = false;
  while (true) {
    FARLANE_ASSIGN(const channel::BatchReader::Look look, reader.Fill());
    const wire::WireError error = TakeMessages(reader, report, &done);
    if (error != wire::WireError::kNone) {
      return Status(StatusCode::kCorrupt,
                    std::string("it breaks the protocol: ") + wire::WireErrorName(error));
    }
    if (done) {
      return Status::Ok();
    }
    if (look == channel::BatchReader::Look::kClosed || look == channel::BatchReader::Look::kBye) {
      return Status(StatusCode::kUnavailable, "it ended before it had named its devices");
    }
    if (look == channel::BatchReader::Look::kNothing && NowNs() >= deadline) {
      return Status(StatusCode::kTimeout, "it said hello, but does not name its devices");
    }
    if (look == channel::BatchReader::Look::kNothing) {
      FARLANE_TRY(stream.Wait(transport::Interest::kRead, deadline));
    }
  }
}

// One connection, and over it all that the server says of itself. `offers` of shared memory that
// cannot be had leave nothing but `no_rings`.
Result<ServerReport> ProbeOffering(const transport::Address& address,
                                   const std::string& token,
                                   uint32_t offers,
                                   uint64_t timeout_ns) {
  FARLANE_ASSIGN(const wire::ClientHello question, MakeHello(token, offers));
  ServerReport report;
  const uint64_t start = NowNs();
  uint64_t deadline = start + timeout_ns;
  FARLANE_ASSIGN(
      std::unique_ptr<transport::Stream> connected,
      transport::ConnectStream(address, transport::TlsSettings::FromEnvironment(), timeout_ns));
  transport::Stream& stream = *connected;
  report.connect_ns = NowNs() - start;
  const uint64_t asked = NowNs();
  FARLANE_TRY(SendAll(stream, std::as_bytes(std::span(&question, 1)), deadline));
  FARLANE_ASSIGN(wire::ServerHello answer, ReadHello(stream, deadline));
  while (answer.verdict == wire::Verdict::kStarting && NowNs() - start < kStartingMaxNs) {
    deadline = std::max(deadline, NowNs() + wire::kGreetingSilenceNs);
    FARLANE_ASSIGN(answer, ReadHello(stream, deadline));
  }
  report.answer_ns = NowNs() - asked;
  report.verdict = answer.verdict;
  report.reason = Field(answer.reason);
  report.version = answer.version;
  report.wire_hash = answer.wire_hash;
  report.worker = answer.worker;
  if (report.verdict != wire::Verdict::kWelcome) {
    return report;
  }
  const Result<std::unique_ptr<transport::Stream>> way =
      channel::FollowWay(offers, answer, std::move(connected), deadline);
  if (!way.ok()) {
    report.no_rings = way.error().message();
    return report;
  }
  report.transport = way.value()->name();
  FARLANE_TRY(ReadDevices(*way.value(), deadline, &report));
  return report;
}

}  // namespace

Result<ServerReport> Probe(const transport::Address& address,
                           const std::string& token,
                           channel::WishedTransport wish,
                           uint64_t timeout_ns) {
  FARLANE_TRY(channel::CheckWish(wish, address));
  FARLANE_ASSIGN(ServerReport report,
                 ProbeOffering(address, token, channel::OffersOf(wish, address), timeout_ns));
  if (report.no_rings.empty()) {
    return report;
  }
  // As a client does.
  const std::string why = report.no_rings;
  if (wish == channel::WishedTransport::kShm) {
    return Status(StatusCode::kUnavailable, "FARLANE_TRANSPORT=shm: " + why);
  }
  FARLANE_ASSIGN(report, ProbeOffering(address, token, 0, timeout_ns));
  report.no_rings = why;
  return report;
}

Result<std::string> TokenFromEnvironment() {
  if (const std::optional<std::string> token = Environment("FARLANE_TOKEN")) {
    return *token;
  }
  const std::optional<std::string> path = Environment("FARLANE_TOKEN_FILE");
  if (!path) {
    return std::string();
  }
  std::ifstream file(*path);
  std::string token;
  if (!file || !std::getline(file, token)) {
    return Status(StatusCode::kNotFound, "FARLANE_TOKEN_FILE: cannot read \"" + *path + "\"");
  }
  return token;
}

const char* VerdictName(wire::Verdict verdict) {
  switch (verdict) {
    case wire::Verdict::kWelcome:
      return "welcome";
    case wire::Verdict::kWrongVersion:
      return "wrong version";
    case wire::Verdict::kRefused:
      return "refused";
    case wire::Verdict::kNoDevice:
      return "no device";
    case wire::Verdict::kBusy:
      return "busy";
    case wire::Verdict::kBadHello:
      return "bad hello";
    case wire::Verdict::kStarting:
      return "starting";
    case wire::Verdict::kQueued:
      return "queued";
  }
  return "unknown";
}

}  // namespace farlane::cli
