// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/metrics_text.h"

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

#include "protocol/base/slice.h"

namespace farlane::cli {
namespace {

using control::RecordKind;
using control::ServiceRecord;
using control::TextOf;
using nvml::Gauge;

constexpr double kNsPerSecond = 1e9;
constexpr double kMilli = 1e-3;

using Labels = std::vector<std::pair<const char*, std::string>>;

// A value between quotes.
std::string Escape(const std::string& value) {
  std::string escaped;
  for (const char letter : value) {
    if (letter == '\\' || letter == '"') {
      escaped += '\\';
    }
    escaped += letter == '\n' ? std::string("\\n") : std::string(1, letter);
  }
  return escaped;
}

std::string NumberText(double value) {
  char text[32];
  snprintf(text, sizeof text, "%.15g", value);
  return text;
}

// All samples of one name stand together, behind what the name means.
// Thread: caller's.
class Metrics {
 public:
  // In the order in which they are to be shown.
  void Define(const char* name, const char* type, const char* meaning) {
    families_.push_back({.name = name, .head = {}, .samples = {}});
    families_.back().head =
        std::string("# HELP ") + name + " " + meaning + "\n# TYPE " + name + " " + type + "\n";
  }

  void Add(const char* name, const Labels& labels, double value) {
    const auto found = std::find_if(families_.begin(), families_.end(),
                                    [name](const Family& one) { return one.name == name; });
    std::string line = name;
    for (size_t i = 0; i < labels.size(); ++i) {
      line += (i == 0 ? "{" : ",") + std::string(labels[i].first) + "=\"" +
              Escape(labels[i].second) + "\"";
    }
    found->samples += line + (labels.empty() ? " " : "} ") + NumberText(value) + "\n";
  }

  // What has no sample is left out.
  std::string str() const {
    std::string text;
    for (const Family& family : families_) {
      text += family.samples.empty() ? "" : family.head + family.samples;
    }
    return text;
  }

 private:
  struct Family {
    std::string name;
    std::string head;
    std::string samples;
  };

  std::vector<Family> families_;
};

// A gauge of the device that is a metric as it is, or times something.
struct DeviceGauge {
  Gauge gauge;
  const char* name;
  const char* type;
  double factor;
  const char* meaning;
};

constexpr DeviceGauge kDeviceGauges[] = {
    {Gauge::kTemperature, "DCGM_FI_DEV_GPU_TEMP", "gauge", 1, "Temperature in degrees Celsius."},
    {Gauge::kPower, "DCGM_FI_DEV_POWER_USAGE", "gauge", kMilli, "Power in watts."},
    {Gauge::kEnergy, "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "counter", 1,
     "Energy since the driver was loaded, in millijoules."},
    {Gauge::kSmClock, "DCGM_FI_DEV_SM_CLOCK", "gauge", 1, "Clock of the processors in MHz."},
    {Gauge::kMemoryClock, "DCGM_FI_DEV_MEM_CLOCK", "gauge", 1, "Clock of the memory in MHz."},
    {Gauge::kEccCorrected, "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", "counter", 1,
     "Memory errors that were corrected since the driver was loaded."},
    {Gauge::kEccUncorrected, "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "counter", 1,
     "Memory errors that could not be corrected since the driver was loaded."},
    {Gauge::kXid, "DCGM_FI_DEV_XID_ERRORS", "gauge", 1, "The last XID error, 0 for none."},
    {Gauge::kXidCount, "farlane_gpu_xid_total", "counter", 1,
     "XID errors since the server was started."},
};

void Define(Metrics* metrics) {
  metrics->Define("DCGM_FI_DEV_GPU_UTIL", "gauge",
                  "For how much of the last second work of sessions was under way, in percent.");
  metrics->Define("DCGM_FI_DEV_MEM_COPY_UTIL", "gauge",
                  "For how much of the last second copies of sessions were under way, in percent.");
  metrics->Define("DCGM_FI_DEV_FB_TOTAL", "gauge", "Memory in MiB.");
  metrics->Define("DCGM_FI_DEV_FB_USED", "gauge", "Memory that sessions have, in MiB.");
  metrics->Define("DCGM_FI_DEV_FB_FREE", "gauge", "Memory that no session has, in MiB.");
  for (const DeviceGauge& gauge : kDeviceGauges) {
    metrics->Define(gauge.name, gauge.type, gauge.meaning);
  }
  metrics->Define("farlane_gpu_sick", "gauge", "1 for a device that gets no new sessions.");
  metrics->Define("farlane_gpu_events_total", "counter",
                  "What has happened to the device since the server was started, by severity.");
  metrics->Define("farlane_sessions", "gauge", "Sessions that are served.");
  metrics->Define("farlane_session_info", "gauge",
                  "1 for each session; its oldest client, and its class.");
  metrics->Define("farlane_session_age_seconds", "gauge", "For how long it has been served.");
  metrics->Define("farlane_session_clients", "gauge", "Processes of the session.");
  metrics->Define("farlane_session_share_ratio", "gauge",
                  "The share of each GPU's time that it has asked for.");
  metrics->Define("farlane_session_share_limit_ratio", "gauge",
                  "The most of each GPU's time that it may have.");
  metrics->Define("farlane_session_net_bytes_total", "counter",
                  "Bytes that came from the session over the network (in), or went to it (out).");
  metrics->Define("farlane_session_memory_bytes", "gauge", "Memory that the session has.");
  metrics->Define("farlane_session_memory_limit_bytes", "gauge", "Memory that it may have.");
  metrics->Define("farlane_session_gpu_seconds_total", "counter",
                  "GPU time that the session has used, measured on the device.");
  metrics->Define("farlane_session_wait_seconds_total", "counter",
                  "For how long commands of the session waited for their turn.");
  metrics->Define("farlane_session_waits_total", "counter", "How often they did.");
  metrics->Define("farlane_session_turns_total", "counter", "Turns that the session had.");
}

double Mebibytes(uint64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

void AddDevices(const nvml::Report& report, const std::string& host, Metrics* metrics) {
  for (size_t i = 0; i < report.gpus.size(); ++i) {
    const nvml::Gpu& gpu = report.gpus[i];
    Labels labels = {{"gpu", std::to_string(i)},
                     {"UUID", UuidText(gpu)},
                     {"modelName", gpu.name},
                     {"Hostname", host}};
    if (!report.driver_version.empty()) {
      labels.emplace_back("DCGM_FI_DRIVER_VERSION", report.driver_version);
    }
    metrics->Add("DCGM_FI_DEV_GPU_UTIL", labels, gpu.busy_percent);
    metrics->Add("DCGM_FI_DEV_MEM_COPY_UTIL", labels, gpu.copy_percent);
    metrics->Add("DCGM_FI_DEV_FB_TOTAL", labels, Mebibytes(gpu.total_bytes));
    metrics->Add("DCGM_FI_DEV_FB_USED", labels, Mebibytes(gpu.used_bytes));
    metrics->Add("DCGM_FI_DEV_FB_FREE", labels, Mebibytes(gpu.free_bytes));
    for (const DeviceGauge& gauge : kDeviceGauges) {
      if (const auto value = gpu.gauges[gauge.gauge]) {
        metrics->Add(gauge.name, labels, static_cast<double>(*value) * gauge.factor);
      }
    }
  }
}

void AddHealth(const ServiceRecord& device, Metrics* metrics) {
  const Labels labels = {{"gpu", std::to_string(device.number)}, {"UUID", TextOf(device.program)}};
  metrics->Add("farlane_gpu_sick", labels, device.process);
  const uint64_t counts[control::kSeveritiesCount] = {device.used_ns, device.clock_ns,
                                                      device.held_ns};
  for (size_t i = 0; i < control::kSeveritiesCount; ++i) {
    Labels one = labels;
    one.emplace_back("severity", control::SeverityName(static_cast<control::Severity>(i)));
    metrics->Add("farlane_gpu_events_total", one, static_cast<double>(counts[i]));
  }
}

double Ratio(uint32_t share) {
  return static_cast<double>(share) / kWholeShare;
}

void AddNet(const ServiceRecord& net, const Labels& session, Metrics* metrics) {
  Labels in = session;
  Labels out = session;
  in.emplace_back("direction", "in");
  out.emplace_back("direction", "out");
  metrics->Add("farlane_session_net_bytes_total", in, static_cast<double>(net.taken_bytes));
  metrics->Add("farlane_session_net_bytes_total", out, static_cast<double>(net.limit_bytes));
}

// Of one session: its own record is `records[at]`. Where the next one's is.
size_t AddSession(const SessionRecords& records, size_t at, Metrics* metrics) {
  const ServiceRecord& session = records[at];
  const Labels labels = {{"session", TextOf(session.session)}};
  const ServiceRecord* oldest = nullptr;
  uint32_t clients = 0;
  for (++at; at < records.size() && records[at].kind != RecordKind::kSession &&
             records[at].kind != RecordKind::kEnd;
       ++at) {
    const ServiceRecord& record = records[at];
    Labels on_gpu = labels;
    on_gpu.emplace_back("gpu", std::to_string(record.number));
    if (record.kind == RecordKind::kClient) {
      ++clients;
      oldest = oldest == nullptr || record.age_ms > oldest->age_ms ? &record : oldest;
    } else if (record.kind == RecordKind::kMemory) {
      metrics->Add("farlane_session_memory_bytes", on_gpu, static_cast<double>(record.taken_bytes));
      metrics->Add("farlane_session_memory_limit_bytes", on_gpu,
                   static_cast<double>(record.limit_bytes));
    } else if (record.kind == RecordKind::kNet) {
      AddNet(record, labels, metrics);
    } else if (record.kind == RecordKind::kTime) {
      metrics->Add("farlane_session_gpu_seconds_total", on_gpu,
                   static_cast<double>(record.used_ns) / kNsPerSecond);
      metrics->Add("farlane_session_wait_seconds_total", on_gpu,
                   static_cast<double>(record.held_ns) / kNsPerSecond);
      metrics->Add("farlane_session_waits_total", on_gpu, static_cast<double>(record.holds));
      metrics->Add("farlane_session_turns_total", on_gpu, static_cast<double>(record.turns));
    }
  }
  Labels info = labels;
  info.emplace_back("host", oldest == nullptr ? "" : TextOf(oldest->host));
  info.emplace_back("program", oldest == nullptr ? "" : TextOf(oldest->program));
  info.emplace_back("priority", PriorityName(static_cast<Priority>(session.priority)));
  metrics->Add("farlane_session_info", info, 1);
  metrics->Add("farlane_session_age_seconds", labels, static_cast<double>(session.age_ms) * kMilli);
  metrics->Add("farlane_session_clients", labels, clients);
  if (session.share != 0) {
    metrics->Add("farlane_session_share_ratio", labels, Ratio(session.share));
  }
  if (session.share_limit != 0) {
    metrics->Add("farlane_session_share_limit_ratio", labels, Ratio(session.share_limit));
  }
  return at;
}

}  // namespace

std::string MetricsText(const nvml::Report& report,
                        const SessionRecords& records,
                        const SessionRecords& events,
                        const std::string& host) {
  Metrics metrics;
  Define(&metrics);
  AddDevices(report, host, &metrics);
  for (const ServiceRecord& record : events) {
    if (record.kind == RecordKind::kHealth) {
      AddHealth(record, &metrics);
    }
  }
  size_t sessions = 0;
  size_t at = 0;
  while (at < records.size() && records[at].kind == RecordKind::kSession) {
    at = AddSession(records, at, &metrics);
    ++sessions;
  }
  metrics.Add("farlane_sessions", {}, static_cast<double>(sessions));
  return metrics.str();
}

}  // namespace farlane::cli
