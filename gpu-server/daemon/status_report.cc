// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/status_report.h"

#include <algorithm>
#include <cstring>
#include <set>

namespace farlane::server {
namespace {

using nvml::Gauge;

// Processes without a session of several are the asker's if they have come with the same key. A key
// of zeros is none.
bool IsKin(const Newcomer& asker, const Sha256Digest& kin) {
  constexpr uint8_t kZeros[sizeof(wire::ClientHello::session_key)] = {};
  static const Sha256Digest kNoKey = Sha256(std::as_bytes(std::span(kZeros)));
  return kin == asker.key_digest && kin != kNoKey;
}

bool IsOwn(const Newcomer& asker, const ClientRegister::Client& client) {
  return asker.alone() ? IsKin(asker, client.kin) : client.session == asker.session;
}

void TakeHealth(const nvml::Report& health, nvml::Gpu* gpu) {
  const auto found = std::find_if(
      health.gpus.begin(), health.gpus.end(),
      [gpu](const nvml::Gpu& one) { return memcmp(one.uuid, gpu->uuid, sizeof one.uuid) == 0; });
  if (found == health.gpus.end()) {
    return;
  }
  for (size_t i = 0; i < nvml::kGaugesCount; ++i) {
    const auto gauge = static_cast<Gauge>(i);
    if (found->gauges[gauge].has_value()) {
      gpu->gauges.Set(gauge, found->gauges[gauge]);
    }
  }
}

void AddClient(const ClientRegister::Client& client,
               size_t device,
               uint64_t used_bytes,
               const Newcomer& asker,
               nvml::Gpu* gpu) {
  const ClientRegister::Share share =
      device < client.shares.size() ? client.shares[device] : ClientRegister::Share{};
  gpu->used_bytes += used_bytes;
  gpu->busy_percent = std::min(gpu->busy_percent + share.busy, 100u);
  gpu->copy_percent = std::min(gpu->copy_percent + share.copies, 100u);
  // On another machine, or beside another name space, the number means another process.
  if (client.who.host == asker.host) {
    gpu->processes.push_back({.pid = client.who.process,
                              .busy_percent = share.busy,
                              .copy_percent = share.copies,
                              .used_bytes = used_bytes,
                              .program = client.who.program});
  }
}

DeviceQuota QuotaOf(const ClientRegister& clients, const Newcomer& asker, size_t device) {
  const auto& sessions = clients.book().sessions();
  const auto found = asker.alone() ? sessions.end() : sessions.find(asker.session);
  return found == sessions.end() ? clients.quotas()[device]
                                 : clients.ledger().quotas(found->second.account)[device];
}

// The devices that the asker is to know of: its session's, its own process's, those of its kin
// where it has asked for some of all, or those that it would be given.
std::vector<size_t> DevicesOf(const ClientRegister& clients, const Newcomer& asker) {
  std::set<size_t> of_kin;
  for (const auto& [holder, client] : clients.clients()) {
    if (!asker.alone() || !IsKin(asker, client.kin)) {
      continue;
    }
    const std::vector<size_t>& devices = clients.book().sessions().at(client.session).devices;
    if (client.who.process == asker.process && client.who.host == asker.host) {
      return devices;
    }
    of_kin.insert(devices.begin(), devices.end());
  }
  return asker.slice.gpus == 0 || of_kin.empty()
             ? clients.book().DevicesFor(asker)
             : std::vector<size_t>(of_kin.begin(), of_kin.end());
}

// What the bits of a device's peers are where only these are left.
uint64_t PeersAmong(uint64_t peers, const std::vector<size_t>& devices) {
  constexpr size_t kBits = 64;
  uint64_t left = 0;
  for (size_t i = 0; i < devices.size() && i < kBits; ++i) {
    if (devices[i] < kBits && (peers >> devices[i] & 1) != 0) {
      left |= uint64_t{1} << i;
    }
  }
  return left;
}

}  // namespace

nvml::Report MakeStatusReport(const nvml::Report& devices,
                              const nvml::Report& health,
                              const ClientRegister& clients,
                              const Newcomer& asker) {
  nvml::Report report = devices;
  report.driver_version = health.driver_version;
  const size_t count = std::min(report.gpus.size(), clients.quotas().size());
  const std::vector<size_t> devices_of = DevicesOf(clients, asker);
  report.gpus.clear();
  for (const size_t device : devices_of) {
    if (device >= count) {
      continue;
    }
    nvml::Gpu& gpu = report.gpus.emplace_back(devices.gpus[device]);
    gpu.peers = PeersAmong(gpu.peers, devices_of);
    TakeHealth(health, &gpu);
    for (const auto& [holder, client] : clients.clients()) {
      if (IsOwn(asker, client)) {
        AddClient(client, device, clients.ledger().used_bytes(holder, device), asker, &gpu);
      }
    }
    const DeviceQuota quota = QuotaOf(clients, asker, device);
    const MemoryFigures figures = clients.ledger().FiguresFor(quota, gpu.used_bytes, device);
    gpu.total_bytes = quota.total_bytes;
    gpu.reserved_bytes = quota.total_bytes - std::min(quota.limit_bytes, quota.total_bytes);
    const uint64_t given = gpu.total_bytes - gpu.reserved_bytes;
    // Processes without a common session have a limit each.
    gpu.used_bytes = std::min(gpu.used_bytes, given);
    gpu.free_bytes = std::min(figures.free_bytes, given - gpu.used_bytes);
  }
  return report;
}

nvml::Report MakeOperatorReport(const nvml::Report& devices,
                                const std::vector<uint64_t>& device_bytes,
                                const nvml::Report& health,
                                const ClientRegister& clients) {
  nvml::Report report = devices;
  report.driver_version = health.driver_version;
  report.gpus.resize(std::min(report.gpus.size(), device_bytes.size()));
  for (size_t device = 0; device < report.gpus.size(); ++device) {
    nvml::Gpu& gpu = report.gpus[device];
    gpu.total_bytes = device_bytes[device];
    TakeHealth(health, &gpu);
    for (const auto& [holder, client] : clients.clients()) {
      const ClientRegister::Share share =
          device < client.shares.size() ? client.shares[device] : ClientRegister::Share{};
      gpu.used_bytes += clients.ledger().used_bytes(holder, device);
      gpu.busy_percent = std::min(gpu.busy_percent + share.busy, 100u);
      gpu.copy_percent = std::min(gpu.copy_percent + share.copies, 100u);
    }
    gpu.free_bytes = gpu.total_bytes - std::min(gpu.used_bytes, gpu.total_bytes);
  }
  return report;
}

std::string PackStatus(const nvml::Report& report) {
  const std::string body = nvml::PackReport(report);
  const nvml::ReportHead head{.version = nvml::kReportVersion,
                              .bytes = static_cast<uint32_t>(body.size())};
  return std::string(reinterpret_cast<const char*>(&head), sizeof head) + body;
}

}  // namespace farlane::server
