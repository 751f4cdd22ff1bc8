// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/check_server.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include <sys/mman.h>

#include "protocol/base/bytes.h"
#include "protocol/base/clock.h"
#include "protocol/base/environment.h"
#include "protocol/transport/address_list.h"
#include "protocol/wire/messages.h"
#include "tools/farlane/probe.h"

namespace farlane::cli {
namespace {

constexpr size_t kProbesCount = 9;  // an odd number has a middle; more would tire the server

constexpr uint64_t kArenaBytesMax = 1024_GiB;  // as much as a server reserves for one device

std::string Milliseconds(uint64_t ns) {
  char text[32];
  snprintf(text, sizeof text, "%.3f ms", static_cast<double>(ns) / 1e6);
  return text;
}

std::string Hex(uint64_t value) {
  char text[20];
  snprintf(text, sizeof text, "%llx", static_cast<unsigned long long>(value));
  return text;
}

std::string Gibibytes(uint64_t bytes) {
  char text[32];
  snprintf(text, sizeof text, "%.2f GiB", static_cast<double>(bytes) / static_cast<double>(1_GiB));
  return text;
}

std::string AdviceFor(StatusCode code) {
  switch (code) {
    case StatusCode::kNotFound:
      return "check the name of the host";
    case StatusCode::kUnavailable:
    case StatusCode::kTimeout:
      return "start farlane-gpud there, or check address, port and firewall (--timeout waits "
             "longer)";
    case StatusCode::kMismatch:
    case StatusCode::kCorrupt:
      return "check address and port: a GPU server usually listens on 7450";
    default:
      return "see docs/troubleshooting.md";
  }
}

std::string AdviceFor(wire::Verdict verdict) {
  switch (verdict) {
    case wire::Verdict::kRefused:
      return "set FARLANE_TOKEN or FARLANE_TOKEN_FILE to the server's token";
    case wire::Verdict::kNoDevice:
      return "on the server, look at farlane-gpud's log: no driver there has a usable GPU";
    case wire::Verdict::kBusy:
      return "try again later, or use another server";
    default:
      return "install the same version of Farlane at both ends (farlane version)";
  }
}

std::string Versions(uint32_t version, uint64_t wire_hash) {
  return "protocol " + std::to_string(version) + ", wire " + Hex(wire_hash);
}

// Which way the commands of a program would take.
void CheckTransport(channel::WishedTransport wish, const ServerReport& report, Findings* findings) {
  const std::string& way = report.transport;
  if (!report.no_rings.empty()) {
    findings->Note("transport", way + ", since memory cannot be shared: " + report.no_rings,
                   "programs work, but each answer takes longer (look at ulimit -n and -v)");
  } else if (wish == channel::WishedTransport::kShm && way != "shm") {
    findings->Fail("transport", "FARLANE_TRANSPORT=shm, but the server is reached over " + way,
                   "unset FARLANE_TRANSPORT: memory is shared with a server on this machine only");
  } else {
    findings->Ok("transport", way == "shm" ? "shm: memory shared with the server" : way);
  }
}

bool CheckVerdict(const ServerReport& report, Findings* findings) {
  const bool same = report.version == wire::kProtocolVersion && report.wire_hash == wire::kWireHash;
  const std::string theirs = Versions(report.version, report.wire_hash);
  if (report.verdict != wire::Verdict::kWelcome) {
    const std::string ours = same ? ""
                                  : " (server: " + theirs + "; here: " +
                                        Versions(wire::kProtocolVersion, wire::kWireHash) + ")";
    findings->Fail("hello", std::string(VerdictName(report.verdict)) + ": " + report.reason + ours,
                   AdviceFor(report.verdict));
    return false;
  }
  if (!same) {
    findings->Fail("hello", "the server welcomes us, but speaks " + theirs,
                   AdviceFor(wire::Verdict::kWrongVersion));
    return false;
  }
  findings->Ok("hello", "welcome by worker " + std::to_string(report.worker) + "; " + theirs);
  const int32_t driver = report.driver_version;
  findings->Ok("driver", "CUDA " + std::to_string(driver / 1000) + "." +
                             std::to_string(driver % 1000 / 10) + ", " + report.driver_path);
  return true;
}

// The range of addresses that programs reserve for a device. A server that does not propose one to
// a probe gets a range of the usual size, wherever there is room.
struct AddressRange {
  uint64_t address = 0;  // 0: anywhere
  uint64_t bytes = 0;

  std::string ToString() const {
    return Gibibytes(bytes) + (address != 0 ? " at 0x" + Hex(address) : " of addresses");
  }
};

AddressRange RangeOf(const DeviceReport& device) {
  if (device.arena_bytes != 0) {
    return {.address = device.arena_address, .bytes = device.arena_bytes};
  }
  return {.bytes = std::min(2 * std::min(device.total_bytes, kArenaBytesMax), kArenaBytesMax)};
}

// Programs use the server's own device addresses if this machine can keep that range free.
void CheckArena(const DeviceReport& device, int32_t number, Findings* findings) {
  const std::string subject = "arena " + std::to_string(number);
  const AddressRange range = RangeOf(device);
  void* const wanted = reinterpret_cast<void*>(range.address);
  const int flags =
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (range.address != 0 ? MAP_FIXED_NOREPLACE : 0);
  void* const got = mmap(wanted, range.bytes, PROT_NONE, flags, -1, 0);
  char text[128] = "unknown error";
  const char* why = got == MAP_FAILED ? strerror_r(errno, text, sizeof text) : "given elsewhere";
  if (got != MAP_FAILED) {
    munmap(got, range.bytes);
  }
  // A kernel before 4.17 takes the fixed address for a hint.
  if (got != MAP_FAILED && (range.address == 0 || got == wanted)) {
    findings->Ok(subject, range.ToString() + " can be reserved here");
    return;
  }
  findings->Note(subject, range.ToString() + " cannot be reserved here: " + why,
                 "programs ask for another range and still work; if none fits, allocations wait "
                 "for the server (look at ulimit -v)");
}

// `first` is the number by which programs know the first of them.
void CheckDevices(const ServerReport& report, int32_t first, Findings* findings) {
  if (report.devices.empty()) {
    findings->Fail("devices", "the server has none", AdviceFor(wire::Verdict::kNoDevice));
  }
  for (const DeviceReport& device : report.devices) {
    const std::string compute = "compute capability " + std::to_string(device.compute_major) + "." +
                                std::to_string(device.compute_minor);
    findings->Ok("device " + std::to_string(first + device.ordinal),
                 device.name + ", " + Gibibytes(device.total_bytes) + ", " + compute + ", " +
                     device.pci_bus_id);
    CheckArena(device, first + device.ordinal, findings);
  }
}

uint64_t Median(std::vector<uint64_t> values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void CheckRoundTrips(const transport::Address& address,
                     const std::string& token,
                     channel::WishedTransport wish,
                     uint64_t deadline,
                     Findings* findings) {
  std::vector<uint64_t> connects;
  std::vector<uint64_t> answers;
  while (connects.size() < kProbesCount) {
    const uint64_t now = NowNs();
    if (now >= deadline) {
      break;
    }
    const Result<ServerReport> report = Probe(address, token, wish, deadline - now);
    if (!report.ok()) {
      findings->Fail("round trip", report.error().message(), AdviceFor(report.error().code()));
      return;
    }
    connects.push_back(report.value().connect_ns);
    answers.push_back(report.value().answer_ns);
  }
  if (!connects.empty()) {
    findings->Ok("round trip", "connect " + Milliseconds(Median(connects)) + ", hello " +
                                   Milliseconds(Median(answers)) + " (medians of " +
                                   std::to_string(connects.size()) + ")");
  }
}

// How many devices it has.
int32_t CheckServer(const transport::Address& address,
                    const std::string& token,
                    channel::WishedTransport wish,
                    uint64_t timeout_ns,
                    int32_t first_device,
                    Findings* findings) {
  const uint64_t deadline = NowNs() + timeout_ns;
  const Result<ServerReport> report = Probe(address, token, wish, timeout_ns);
  if (!report.ok()) {
    findings->Fail("server", address.ToString() + ": " + report.error().message(),
                   AdviceFor(report.error().code()));
    return 0;
  }
  findings->Ok("server", address.ToString() + " answers; connected in " +
                             Milliseconds(report.value().connect_ns));
  if (CheckVerdict(report.value(), findings)) {
    CheckTransport(wish, report.value(), findings);
    CheckDevices(report.value(), first_device, findings);
    CheckRoundTrips(address, token, wish, deadline, findings);
  }
  return static_cast<int32_t>(report.value().devices.size());
}

}  // namespace

void CheckServers(const std::string& list, uint64_t timeout_ns, Findings* findings) {
  const Result<std::vector<transport::Address>> addresses = transport::ParseAddressList(list);
  const Result<std::string> token = TokenFromEnvironment();
  if (!addresses.ok() || !token.ok()) {
    findings->Fail("server", addresses.ok() ? token.error().message() : addresses.error().message(),
                   addresses.ok() ? "name a file that holds the token"
                                  : "an address looks like tcp://HOST:7450 or unix:/PATH");
    return;
  }
  const std::string wished = Environment("FARLANE_TRANSPORT").value_or("");
  const std::optional<channel::WishedTransport> wish = channel::ParseWish(wished);
  if (!wish.has_value()) {
    findings->Fail("transport", "FARLANE_TRANSPORT is \"" + wished + "\"",
                   "it may be auto, shm, unix or tcp");
    return;
  }
  int32_t devices = 0;
  for (const transport::Address& address : *addresses) {
    devices += CheckServer(address, *token, *wish, timeout_ns, devices, findings);
  }
}

}  // namespace farlane::cli
