// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/agent/server_view.h"

#include <sys/utsname.h>

#include "protocol/base/slice.h"
#include "protocol/control/hex.h"
#include "protocol/wire/messages.h"

namespace farlane::agent {
namespace {

std::string Architecture() {
  utsname names{};
  return uname(&names) == 0 ? names.machine : "";
}

std::string PciText(const nvml::Gpu& gpu) {
  char text[32];
  snprintf(text, sizeof text, "%04x:%02x:%02x.0", gpu.pci_domain, gpu.pci_bus, gpu.pci_device);
  return text;
}

void AddToSession(const control::ServiceRecord& record, pool::v1::SessionLoad* session) {
  switch (record.kind) {
    case control::RecordKind::kMemory:
      session->set_memory_bytes(session->memory_bytes() + record.taken_bytes);
      session->set_memory_limit_bytes(session->memory_limit_bytes() + record.limit_bytes);
      break;
    case control::RecordKind::kTime:
      session->set_gpu_ns(session->gpu_ns() + record.used_ns);
      session->set_held_ns(session->held_ns() + record.held_ns);
      break;
    case control::RecordKind::kNet:
      session->set_received_bytes(session->received_bytes() + record.taken_bytes);
      session->set_sent_bytes(session->sent_bytes() + record.limit_bytes);
      session->set_trips(record.turns);
      session->set_rtt_us(static_cast<double>(record.clock_ns) / 1e3);
      session->set_moved_bytes(record.ahead_max);
      session->set_busy_ns(record.used_ns);
      break;
    case control::RecordKind::kClient:
      session->set_clients(session->clients() + 1);
      break;
    default:
      break;
  }
}

}  // namespace

pool::v1::Inventory MakeInventory(const Options& options, const nvml::Report& devices) {
  pool::v1::Inventory inventory;
  inventory.set_server_id(control::Hex(options.server));
  inventory.set_name(options.name);
  for (const std::string& address : options.addresses) {
    inventory.add_addresses(address);
  }
  for (const nvml::Gpu& gpu : devices.gpus) {
    pool::v1::Device* const device = inventory.add_devices();
    device->set_uuid(nvml::UuidText(gpu));
    device->set_model(gpu.name);
    device->set_memory_bytes(gpu.total_bytes);
    device->set_compute_major(gpu.compute_major);
    device->set_compute_minor(gpu.compute_minor);
    device->set_processors(gpu.processors);
    device->set_pci(PciText(gpu));
  }
  inventory.set_driver(devices.driver_version);
  inventory.set_cuda_version(devices.cuda_version);
  inventory.set_version(FARLANE_VERSION);
  inventory.set_wire_hash(wire::kWireHash);
  inventory.set_architecture(Architecture());
  inventory.mutable_labels()->insert(options.labels.begin(), options.labels.end());
  return inventory;
}

pool::v1::Load MakeLoad(const nvml::Report& devices,
                        const std::vector<control::ServiceRecord>& sessions) {
  pool::v1::Load load;
  for (const nvml::Gpu& gpu : devices.gpus) {
    pool::v1::DeviceLoad* const device = load.add_devices();
    device->set_used_bytes(gpu.used_bytes);
    device->set_busy_percent(gpu.busy_percent);
    device->set_temperature(
        static_cast<uint32_t>(gpu.gauges[nvml::Gauge::kTemperature].value_or(0)));
    device->set_xid_count(gpu.gauges[nvml::Gauge::kXidCount].value_or(0));
    device->set_xid_last(static_cast<uint32_t>(gpu.gauges[nvml::Gauge::kXid].value_or(0)));
    device->set_ecc_uncorrected(gpu.gauges[nvml::Gauge::kEccUncorrected].value_or(0));
  }
  pool::v1::SessionLoad* session = nullptr;
  for (const control::ServiceRecord& record : sessions) {
    if (record.kind == control::RecordKind::kSession) {
      session = load.add_sessions();
      session->set_session_id(control::TextOf(record.session));
      session->set_share(static_cast<double>(record.share) / kWholeShare);
      session->set_age_ms(record.age_ms);
    } else if (session != nullptr) {
      AddToSession(record, session);
    }
  }
  return load;
}

std::set<token::Id> SessionsIn(const pool::v1::Load& load) {
  std::set<token::Id> sessions;
  for (const pool::v1::SessionLoad& session : load.sessions()) {
    token::Id id{};
    if (control::FromHex(session.session_id(), id)) {
      sessions.insert(id);
    }
  }
  return sessions;
}

}  // namespace farlane::agent
