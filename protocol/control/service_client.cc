// SPDX-License-Identifier: Apache-2.0
#include "protocol/control/service_client.h"

#include <cerrno>

#include <poll.h>
#include <sys/socket.h>

#include "protocol/base/clock.h"
#include "protocol/base/fd.h"
#include "protocol/transport/address.h"

namespace farlane::control {
namespace {

constexpr uint64_t kTimeoutNs = 3'000'000'000;
// Sessions, clients and devices that a server can have at most, with room to spare.
constexpr size_t kRecordsMax = 1 << 20;

Status Receive(int socket, uint64_t deadline, void* into, size_t bytes) {
  size_t got = 0;
  while (got < bytes) {
    const uint64_t now = NowNs();
    if (now >= deadline) {
      return Status(StatusCode::kTimeout, "the server does not answer");
    }
    pollfd waiting{.fd = socket, .events = POLLIN, .revents = 0};
    poll(&waiting, 1, static_cast<int>((deadline - now) / 1'000'000) + 1);
    const ssize_t one = recv(socket, static_cast<char*>(into) + got, bytes - got, MSG_DONTWAIT);
    if (one == 0) {
      return Status(StatusCode::kUnavailable,
                    "the server closed the connection; it answers its own user only");
    }
    if (one < 0 && errno != EAGAIN && errno != EINTR) {
      return Status::FromErrno(StatusCode::kUnavailable, "cannot receive", errno);
    }
    got += one > 0 ? static_cast<size_t>(one) : 0;
  }
  return Status::Ok();
}

Result<Fd> Ask(const std::string& text, const ServiceRequest& request) {
  FARLANE_ASSIGN(const transport::Address address, transport::Address::Parse(text));
  FARLANE_ASSIGN(Fd socket, transport::Connect(address, kTimeoutNs));
  if (send(socket.get(), &request, sizeof request, MSG_NOSIGNAL) !=
      static_cast<ssize_t>(sizeof request)) {
    return Status::FromErrno(StatusCode::kUnavailable, "cannot ask " + text, errno);
  }
  return socket;
}

}  // namespace

Result<std::vector<ServiceRecord>> AskService(const std::string& text,
                                              const ServiceRequest& request) {
  const uint64_t deadline = NowNs() + kTimeoutNs;
  FARLANE_ASSIGN(const Fd socket, Ask(text, request));
  std::vector<ServiceRecord> records;
  while (records.empty() || records.back().kind != RecordKind::kEnd) {
    if (records.size() >= kRecordsMax) {
      return Status(StatusCode::kCorrupt, "the answer of " + text + " does not end");
    }
    ServiceRecord& record = records.emplace_back();
    FARLANE_TRY(Receive(socket.get(), deadline, &record, sizeof record).While("asking " + text));
  }
  return records;
}

Result<nvml::Report> AskDevices(const std::string& text) {
  const uint64_t deadline = NowNs() + kTimeoutNs;
  FARLANE_ASSIGN(const Fd socket, Ask(text, MakeServiceRequest(ServiceVerb::kDevices, "")));
  ServiceRecord record;
  FARLANE_TRY(Receive(socket.get(), deadline, &record, sizeof record).While("asking " + text));
  if (record.kind == RecordKind::kEnd) {
    return Status(StatusCode::kUnavailable, text + ": " + TextOf(record.text));
  }
  std::string packed;
  nvml::Report report;
  if (record.kind == RecordKind::kReport && record.number <= nvml::kReportBytesMax) {
    packed.resize(record.number);
    FARLANE_TRY(
        Receive(socket.get(), deadline, packed.data(), packed.size()).While("asking " + text));
  }
  if (packed.empty() || !nvml::UnpackReport(packed, &report)) {
    return Status(StatusCode::kCorrupt, text + " answers with no report");
  }
  return report;
}

}  // namespace farlane::control
