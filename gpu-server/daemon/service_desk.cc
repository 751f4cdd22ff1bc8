// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/service_desk.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/socket.h>
#include <unistd.h>

#include "protocol/base/log.h"

namespace farlane::server {
namespace {

using control::RecordKind;
using control::ServiceRecord;

constexpr uint64_t kMillisecondNs = 1'000'000;

void Append(std::string* records, const ServiceRecord& record) {
  records->append(reinterpret_cast<const char*>(&record), sizeof record);
}

void AppendMemory(const ClientRegister& clients,
                  const SessionBook::Session& session,
                  std::string* records) {
  const std::vector<DeviceQuota>& quotas = clients.ledger().quotas(session.account);
  for (const size_t device : session.devices) {
    ServiceRecord record{};
    record.kind = RecordKind::kMemory;
    record.number = static_cast<uint32_t>(device);
    record.taken_bytes = clients.ledger().session_bytes(session.account, device);
    record.limit_bytes = quotas[device].limit_bytes;
    Append(records, record);
  }
}

void AppendTime(const TurnDesk& turns, const SessionBook::Session& session, std::string* records) {
  for (const size_t device : session.devices) {
    const TurnFigures figures = turns.FiguresOf(session.account, device);
    ServiceRecord record{};
    record.kind = RecordKind::kTime;
    record.number = static_cast<uint32_t>(device);
    record.used_ns = figures.used_ns;
    record.clock_ns = figures.clock_ns;
    record.held_ns = figures.held_ns;
    record.holds = figures.holds;
    record.turns = figures.turns;
    record.ahead_max = figures.ahead_max;
    Append(records, record);
  }
}

void AppendNet(NetDesk& net, const SessionBook::Session& session, std::string* records) {
  const NetFigures figures = net.FiguresOf(session.account);
  ServiceRecord record{};
  record.kind = RecordKind::kNet;
  record.taken_bytes = figures.in_bytes;
  record.limit_bytes = figures.out_bytes;
  record.turns = figures.trips;
  record.clock_ns = figures.rtt_ns;
  record.ahead_max = figures.talked_bytes;
  record.used_ns = figures.busy_ns;
  Append(records, record);
}

void AppendClient(const ClientRegister& clients,
                  Ledger::Holder holder,
                  const ClientRegister::Client& client,
                  uint64_t now_ns,
                  std::string* records) {
  ServiceRecord record{};
  record.kind = RecordKind::kClient;
  record.number = static_cast<uint32_t>(client.worker);
  record.process = client.who.process;
  record.age_ms = (now_ns - client.since_ns) / kMillisecondNs;
  for (size_t device = 0; device < clients.ledger().devices_count(); ++device) {
    record.taken_bytes += clients.ledger().held_bytes(holder, device);
  }
  control::SetText(record.host, client.who.host);
  control::SetText(record.program, client.who.program);
  Append(records, record);
}

}  // namespace

bool IsOwnUser(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         (peer.uid == geteuid() || peer.uid == 0);
}

Status ServiceDesk::Open(const std::string& text) {
  if (text.empty()) {
    return Status::Ok();
  }
  FARLANE_ASSIGN(const transport::Address address, transport::Address::Parse(text));
  if (address.kind != transport::Address::Kind::kUnix) {
    return Status(StatusCode::kInvalidArgument,
                  text + ": the session service needs a Unix socket (unix:/PATH or unix:@NAME)");
  }
  transport::Address bound;
  FARLANE_ASSIGN(listener_, transport::Listen(address, &bound));
  return Status::Ok();
}

void ServiceDesk::AppendPolls(std::vector<pollfd>* polls) const {
  polls->push_back({.fd = listener_.get(), .events = POLLIN, .revents = 0});
  for (const Visitor& visitor : visitors_) {
    const short events = visitor.unsent.empty() ? POLLIN : POLLOUT;
    polls->push_back({.fd = visitor.socket.get(), .events = events, .revents = 0});
  }
}

uint64_t ServiceDesk::NextTime() const {
  uint64_t next = UINT64_MAX;
  for (const Visitor& visitor : visitors_) {
    next = std::min(next, visitor.until_ns);
  }
  return next;
}

void ServiceDesk::Look(uint64_t now_ns, const Answer& answer) {
  if (listener_.valid()) {
    Accept(now_ns);
  }
  for (Visitor& visitor : visitors_) {
    LookAt(visitor, answer);
  }
  std::erase_if(visitors_,
                [now_ns](const Visitor& one) { return one.done || now_ns >= one.until_ns; });
}

void ServiceDesk::Accept(uint64_t now_ns) {
  while (visitors_.size() < kVisitorsMax) {
    Fd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.valid()) {
      return;
    }
    if (IsOwnUser(socket.get())) {
      visitors_.push_back({.socket = std::move(socket), .until_ns = now_ns + kPatienceNs});
    } else {
      LogWarn("somebody who is not the server's user asks about its sessions; not answered");
    }
  }
}

void ServiceDesk::LookAt(Visitor& visitor, const Answer& answer) {
  if (visitor.unsent.empty()) {
    control::ServiceRequest request{};
    char bytes[sizeof request];
    const ssize_t got =
        recv(visitor.socket.get(), bytes, sizeof request - visitor.asked.size(), MSG_DONTWAIT);
    if (got <= 0) {
      visitor.done = got == 0 || (errno != EAGAIN && errno != EINTR);
      return;
    }
    visitor.asked.append(bytes, static_cast<size_t>(got));
    if (visitor.asked.size() < sizeof request) {
      return;
    }
    memcpy(&request, visitor.asked.data(), sizeof request);
    visitor.unsent = control::IsServiceRequest(request)
                         ? answer(request)
                         : EndOfService(0, "the server does not understand this request");
  }
  const ssize_t sent = send(visitor.socket.get(), visitor.unsent.data(), visitor.unsent.size(),
                            MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) {
    visitor.done = errno != EAGAIN && errno != EINTR;
    return;
  }
  visitor.unsent.erase(0, static_cast<size_t>(sent));
  visitor.done = visitor.unsent.empty();
}

std::string ListSessions(const ClientRegister& clients,
                         const TurnDesk& turns,
                         NetDesk& net,
                         uint64_t now_ns) {
  std::string records;
  for (const auto& [id, session] : clients.book().sessions()) {
    ServiceRecord record{};
    record.kind = RecordKind::kSession;
    record.age_ms = (now_ns - session.opened_ns) / kMillisecondNs;
    record.share = session.share_now;
    record.process = session.slice.share;
    record.share_max = session.slice.share_max;
    record.share_limit = session.slice.share_limit;
    record.priority = static_cast<uint32_t>(session.slice.priority);
    record.net_limit = session.net_limit;
    record.isolation = static_cast<uint32_t>(session.slice.isolation);
    record.number = session.slice.gpus;
    control::SetText(record.session, SessionName(id));
    Append(&records, record);
    AppendMemory(clients, session, &records);
    AppendTime(turns, session, &records);
    for (const auto& [holder, client] : clients.clients()) {
      if (client.session == id) {
        AppendClient(clients, holder, client, now_ns, &records);
      }
    }
    // Last, as an older command line knows no such record and reads no further.
    AppendNet(net, session, &records);
  }
  return records + EndOfService(0, "");
}

std::string DescribeDevices(const nvml::Report& report) {
  const std::string packed = nvml::PackReport(report);
  ServiceRecord record{};
  record.kind = RecordKind::kReport;
  record.number = static_cast<uint32_t>(packed.size());
  std::string records;
  Append(&records, record);
  return records + packed + EndOfService(0, "");
}

std::string ListEvents(const HealthWatch& watch) {
  std::string records;
  for (size_t device = 0; device < watch.devices().size(); ++device) {
    const std::optional<std::string> sick = watch.WhySick(device);
    const HealthWatch::Counts& counts = watch.counts(device);
    ServiceRecord record{};
    record.kind = RecordKind::kHealth;
    record.number = static_cast<uint32_t>(device);
    record.process = sick.has_value() ? 1 : 0;
    record.used_ns = counts[static_cast<size_t>(control::Severity::kInfo)];
    record.clock_ns = counts[static_cast<size_t>(control::Severity::kWarning)];
    record.held_ns = counts[static_cast<size_t>(control::Severity::kCritical)];
    control::SetText(record.program, UuidText(watch.devices()[device]));
    control::SetText(record.text, sick.value_or(""));
    Append(&records, record);
  }
  for (const HealthEvent& event : watch.events()) {
    ServiceRecord record{};
    record.kind = RecordKind::kEvent;
    record.number = static_cast<uint32_t>(event.device);
    record.turns = event.number;
    record.age_ms = event.at_ms;
    record.priority = static_cast<uint32_t>(event.severity);
    control::SetText(record.program, UuidText(watch.devices()[event.device]));
    control::SetText(record.text, event.reason);
    Append(&records, record);
  }
  return records + EndOfService(0, "");
}

std::string EndOfService(uint32_t number, const std::string& text) {
  ServiceRecord record{};
  record.kind = RecordKind::kEnd;
  record.number = number;
  control::SetText(record.text, text);
  std::string bytes;
  Append(&bytes, record);
  return bytes;
}

}  // namespace farlane::server
