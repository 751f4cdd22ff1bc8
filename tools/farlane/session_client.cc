// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/session_client.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>

#include "protocol/base/clock.h"
#include "protocol/base/environment.h"
#include "protocol/base/fd.h"
#include "protocol/base/log.h"
#include "protocol/transport/address.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
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

Result<Fd> Ask(const std::string& text, const control::ServiceRequest& request) {
  FARLANE_ASSIGN(const transport::Address address, transport::Address::Parse(text));
  FARLANE_ASSIGN(Fd socket, transport::Connect(address, kTimeoutNs));
  if (send(socket.get(), &request, sizeof request, MSG_NOSIGNAL) !=
      static_cast<ssize_t>(sizeof request)) {
    return Status::FromErrno(StatusCode::kUnavailable, "cannot ask " + text, errno);
  }
  return socket;
}

}  // namespace

void AddControlOption(CLI::App* app, std::string* given) {
  app->add_option("--control", *given,
                  "where the server answers (default: FARLANE_CONTROL, else " +
                      std::string(control::kDefaultService) + ")")
      ->type_name("ADDRESS");
}

std::string ServiceAddress(const std::string& given) {
  return given.empty() ? Environment("FARLANE_CONTROL").value_or(control::kDefaultService) : given;
}

int FailAsking(const Status& why) {
  LogError("%s (farlane-gpud answers at the address of its option --control)",
           why.message().c_str());
  return kExitFarlane;
}

Result<std::vector<control::ServiceRecord>> AskService(const std::string& text,
                                                       const control::ServiceRequest& request) {
  const uint64_t deadline = NowNs() + kTimeoutNs;
  FARLANE_ASSIGN(const Fd socket, Ask(text, request));
  std::vector<control::ServiceRecord> records;
  while (records.empty() || records.back().kind != control::RecordKind::kEnd) {
    if (records.size() >= kRecordsMax) {
      return Status(StatusCode::kCorrupt, "the answer of " + text + " does not end");
    }
    control::ServiceRecord& record = records.emplace_back();
    FARLANE_TRY(Receive(socket.get(), deadline, &record, sizeof record).While("asking " + text));
  }
  return records;
}

Result<nvml::Report> AskDevices(const std::string& text) {
  const uint64_t deadline = NowNs() + kTimeoutNs;
  FARLANE_ASSIGN(const Fd socket,
                 Ask(text, control::MakeServiceRequest(control::ServiceVerb::kDevices, "")));
  control::ServiceRecord record;
  FARLANE_TRY(Receive(socket.get(), deadline, &record, sizeof record).While("asking " + text));
  if (record.kind == control::RecordKind::kEnd) {
    return Status(StatusCode::kUnavailable, text + ": " + control::TextOf(record.text));
  }
  std::string packed;
  nvml::Report report;
  if (record.kind == control::RecordKind::kReport && record.number <= nvml::kReportBytesMax) {
    packed.resize(record.number);
    FARLANE_TRY(
        Receive(socket.get(), deadline, packed.data(), packed.size()).While("asking " + text));
  }
  if (packed.empty() || !nvml::UnpackReport(packed, &report)) {
    return Status(StatusCode::kCorrupt, text + " answers with no report");
  }
  return report;
}

}  // namespace farlane::cli
