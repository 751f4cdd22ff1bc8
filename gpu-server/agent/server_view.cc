// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/agent/server_view.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include <sys/utsname.h>

#include "protocol/base/slice.h"
#include "protocol/control/hex.h"
#include "protocol/transport/address.h"
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

// What clients come by, each once.
void AddTransports(const Options& options, pool::v1::Inventory* inventory) {
  std::set<std::string> kinds;
  for (const std::string& address : options.addresses) {
    // As it is written out, it begins with how it is reached, whatever people left away.
    const Result<transport::Address> read = transport::Address::Parse(address);
    if (read.ok()) {
      const std::string whole = read->ToString();
      kinds.insert(whole.substr(0, whole.find(':')));
    }
  }
  for (const std::string& kind : kinds) {
    inventory->add_transports(kind);
  }
}

void AddPorts(const HostPorts& ports, pool::v1::Inventory* inventory) {
  for (const HostPorts::Network& one : ports.network) {
    pool::v1::NetworkPort* const port = inventory->add_network_ports();
    port->set_name(one.name);
    port->set_speed_mbps(one.speed_mbps);
    port->set_up(one.up);
  }
  for (const HostPorts::Rdma& one : ports.rdma) {
    pool::v1::RdmaPort* const port = inventory->add_rdma_ports();
    port->set_device(one.device);
    port->set_port(one.port);
    port->set_speed_mbps(one.speed_mbps);
    port->set_link(one.link);
    port->set_up(one.up);
  }
}

template <typename Ports>
double SpeedOf(const Ports& ports) {
  double sum = 0;
  for (const auto& one : ports) {
    sum += one.up ? static_cast<double>(one.speed_mbps) : 0;
  }
  return sum;
}

// Version 1 of the metrics; docs/placement.md says what each of them means.
pool::v1::Capability CapabilityOf(const nvml::Report& devices, const HostPorts& ports) {
  constexpr uint32_t kSchema = 1;
  constexpr double kReferenceProcessors = 132;
  constexpr double kReferenceBytes = 80.0 * (1ull << 30);
  double processors = 0;
  double bytes = 0;
  double composite = 0;
  for (const nvml::Gpu& gpu : devices.gpus) {
    processors += gpu.processors;
    bytes += static_cast<double>(gpu.total_bytes);
    composite += std::sqrt(gpu.processors / kReferenceProcessors *
                           (static_cast<double>(gpu.total_bytes) / kReferenceBytes));
  }
  const auto least = std::min_element(devices.gpus.begin(), devices.gpus.end(),
                                      [](const nvml::Gpu& a, const nvml::Gpu& b) {
                                        return std::pair(a.compute_major, a.compute_minor) <
                                               std::pair(b.compute_major, b.compute_minor);
                                      });
  pool::v1::Capability capability;
  capability.set_schema(kSchema);
  const auto add = [&capability](const char* name, double value) {
    pool::v1::Capability::Metric* const metric = capability.add_metrics();
    metric->set_name(name);
    metric->set_value(value);
  };
  add("devices", static_cast<double>(devices.gpus.size()));
  add("processors", processors);
  add("memory_bytes", bytes);
  add("compute_capability_least",
      least == devices.gpus.end() ? 0 : 10.0 * least->compute_major + least->compute_minor);
  add("network_mbps", SpeedOf(ports.network));
  add("rdma_mbps", SpeedOf(ports.rdma));
  add("composite", composite);
  return capability;
}

}  // namespace

pool::v1::Inventory MakeInventory(const Options& options,
                                  const nvml::Report& devices,
                                  const HostPorts& ports) {
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
  AddTransports(options, &inventory);
  AddPorts(ports, &inventory);
  *inventory.mutable_capability() = CapabilityOf(devices, ports);
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
