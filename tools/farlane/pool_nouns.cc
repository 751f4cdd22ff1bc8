// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/pool_nouns.h"

#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace farlane::cli {
namespace {

// Whatever it is, as people read it; the manager writes 64-bit numbers as texts.
std::string TextAt(const OrderedJson& from, const char* way) {
  const OrderedJson value = ValueAt(from, way);
  return value.is_null() ? "" : value.is_string() ? value.get<std::string>() : value.dump();
}

double NumberAt(const OrderedJson& from, const char* way) {
  return strtod(TextAt(from, way).c_str(), nullptr);
}

std::string Gibibytes(double bytes) {
  char text[32];
  snprintf(text, sizeof text, "%.1f GiB", bytes / (1 << 30));
  return text;
}

std::string Mebibytes(double bytes) {
  char text[32];
  snprintf(text, sizeof text, "%.4g MiB", bytes / (1 << 20));
  return text;
}

std::string NetLimitOf(const OrderedJson& session) {
  const double rate = NumberAt(session, "netLimitBytes");
  return rate == 0 ? "-" : Mebibytes(rate) + "/s";
}

std::string ShareText(double share) {
  char text[32];
  snprintf(text, sizeof text, "%.3g", share);
  return text;
}

std::string TimeText(double ms) {
  if (ms == 0) {
    return "";
  }
  const auto seconds = static_cast<time_t>(ms / 1000);
  tm parts{};
  char text[32] = "";
  if (gmtime_r(&seconds, &parts) != nullptr) {
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  }
  return text;
}

// --- Servers

OrderedJson DevicesOf(const OrderedJson& server) {
  OrderedJson devices = ValueAt(server, "inventory.devices");
  return devices.is_array() ? devices : OrderedJson::array();
}

double MemoryOf(const OrderedJson& server) {
  double bytes = 0;
  for (const OrderedJson& device : DevicesOf(server)) {
    bytes += NumberAt(device, "memoryBytes");
  }
  return bytes;
}

std::string NameOfServer(const OrderedJson& server) {
  return TextAt(server, "inventory.name");
}

std::string StateOf(const OrderedJson& server) {
  std::string state = TextAt(server, "state");
  const bool is_draining = ValueAt(server, "draining") == true;
  if (is_draining) {
    state += NumberAt(server, "sessions") == 0 ? ",DRAINED" : ",DRAINING";
  } else if (ValueAt(server, "cordoned") == true) {
    state += ",CORDONED";
  }
  return state;
}

std::string TaintsOf(const OrderedJson& server) {
  std::string text;
  const OrderedJson taints = ValueAt(server, "taints");
  for (const OrderedJson& taint : taints.is_array() ? taints : OrderedJson::array()) {
    text += (text.empty() ? "" : ",") + TextAt(taint, "key") + "=" + TextAt(taint, "value") + ":" +
            TextAt(taint, "effect");
  }
  return text;
}

std::string LabelsOf(const OrderedJson& server) {
  std::string text;
  const OrderedJson labels = ValueAt(server, "inventory.labels");
  for (const auto& [key, value] : labels.items()) {
    text +=
        (text.empty() ? "" : ",") + key + "=" + (value.is_string() ? value.get<std::string>() : "");
  }
  return text;
}

std::string SpeedText(double mbps) {
  char text[32];
  snprintf(text, sizeof text, "%.3g Gb/s", mbps / 1000);
  return mbps == 0 ? "" : std::string(" ") + text;
}

// Those that lead somewhere now: "eth0 25 Gb/s,mlx5_0/1 100 Gb/s".
std::string PortsOf(const OrderedJson& server, const char* way) {
  std::string text;
  const OrderedJson ports = ValueAt(server, way);
  for (const OrderedJson& port : ports.is_array() ? ports : OrderedJson::array()) {
    if (ValueAt(port, "up") == true) {
      const std::string device = TextAt(port, "device");
      text += (text.empty() ? "" : ",") +
              (device.empty() ? TextAt(port, "name") : device + "/" + TextAt(port, "port")) +
              SpeedText(NumberAt(port, "speedMbps"));
    }
  }
  return text;
}

double CompositeOf(const OrderedJson& server) {
  const OrderedJson metrics = ValueAt(server, "inventory.capability.metrics");
  for (const OrderedJson& metric : metrics.is_array() ? metrics : OrderedJson::array()) {
    if (TextAt(metric, "name") == "composite") {
      return NumberAt(metric, "value");
    }
  }
  return 0;
}

std::string AddressOf(const OrderedJson& server) {
  const OrderedJson addresses = ValueAt(server, "inventory.addresses");
  return addresses.is_array() && !addresses.empty() && addresses[0].is_string()
             ? addresses[0].get<std::string>()
             : "";
}

std::string ModelsOf(const OrderedJson& server) {
  const OrderedJson devices = DevicesOf(server);
  return std::to_string(devices.size()) + " x " +
         (devices.empty() ? "" : TextAt(devices.back(), "model"));
}

// --- Sessions

std::string SecondsText(const OrderedJson& session) {
  char text[32];
  snprintf(text, sizeof text, "%.3f s", NumberAt(session, "load.gpuNs") / 1e9);
  return text;
}

std::string NamesOf(const std::vector<std::string>& servers) {
  std::string names;
  for (const std::string& server : servers) {
    names += (names.empty() ? "" : ",") + server;
  }
  return names;
}

// What a session has for -l; it has no labels of its own.
OrderedJson LabelsOfSession(const OrderedJson& session) {
  return {{"phase", TextAt(session, "phase")},
          {"server", TextAt(session, "server")},
          {"user", TextAt(session, "user")},
          {"project", TextAt(session, "spec.project")},
          {"host", TextAt(session, "spec.host")},
          {"program", TextAt(session, "spec.program")},
          {"priority", TextAt(session, "spec.slice.priority")}};
}

// --- Projects and the queue

// "4 GPUs, 64.0 GiB"; what is not named is not told.
std::string AmountText(const OrderedJson& amount) {
  std::string text;
  const auto add = [&text](const std::string& more) { text += (text.empty() ? "" : ", ") + more; };
  if (!ValueAt(amount, "gpus").is_null()) {
    add(ShareText(NumberAt(amount, "gpus")) + " GPUs");
  }
  if (!ValueAt(amount, "memoryBytes").is_null()) {
    add(Gibibytes(NumberAt(amount, "memoryBytes")));
  }
  if (!ValueAt(amount, "sessions").is_null()) {
    add(TextAt(amount, "sessions") + " sessions");
  }
  // Who has no such quota need not see that he has used nothing of it.
  if (const double rate = NumberAt(amount, "netBytesPerS"); rate != 0) {
    add(Mebibytes(rate) + "/s");
  }
  return text.empty() ? "-" : text;
}

std::string NameOfProject(const OrderedJson& status) {
  return TextAt(status, "project.name");
}

double WeightOf(const OrderedJson& status) {
  const double weight = NumberAt(status, "project.quota.weight");
  return weight == 0 ? 1 : weight;
}

std::string OrElse(const std::string& text, const char* otherwise) {
  return text.empty() ? otherwise : text;
}

std::string EstimateOf(const OrderedJson& entry) {
  const std::string seconds = TextAt(entry, "place.estimateS");
  return seconds.empty() || seconds[0] == '-' ? "-" : seconds + " s";
}

OrderedJson LabelsOfEntry(const OrderedJson& entry) {
  return LabelsOfSession(ValueAt(entry, "session"));
}

using One = const OrderedJson&;

}  // namespace

std::vector<std::string> ServersOf(const OrderedJson& session) {
  std::vector<std::string> servers;
  const OrderedJson parts = ValueAt(session, "parts");
  for (const OrderedJson& part : parts.is_array() ? parts : OrderedJson::array()) {
    servers.push_back(TextAt(part, "server"));
  }
  if (std::string only = TextAt(session, "server"); servers.empty() && !only.empty()) {
    servers.push_back(std::move(only));
  }
  return servers;
}

const Noun& ServerNoun() {
  static const Noun noun = {
      "servers",
      {{"NAME", &NameOfServer},
       {"STATE", &StateOf},
       {"DEVICES", &ModelsOf, false, [](One one) { return double(DevicesOf(one).size()); }},
       {"MEMORY", [](One one) { return Gibibytes(MemoryOf(one)); }, false, &MemoryOf},
       {"PROMISED", [](One one) { return ShareText(NumberAt(one, "promisedShare")); }},
       {"SESSIONS", [](One one) { return TextAt(one, "sessions"); }},
       {"ADDRESS", &AddressOf},
       {"PROMISED MEMORY", [](One one) { return Gibibytes(NumberAt(one, "promisedBytes")); }, true,
        [](One one) { return NumberAt(one, "promisedBytes"); }},
       {"CAPABILITY", [](One one) { return ShareText(CompositeOf(one)); }, true, &CompositeOf},
       {"NETWORK", [](One one) { return PortsOf(one, "inventory.networkPorts"); }, true},
       {"RDMA", [](One one) { return PortsOf(one, "inventory.rdmaPorts"); }, true},
       {"TAINTS", &TaintsOf, true},
       {"LABELS", &LabelsOf, true},
       {"VERSION", [](One one) { return TextAt(one, "inventory.version"); }, true},
       {"ID", [](One one) { return TextAt(one, "inventory.serverId"); }, true},
       {"SINCE", [](One one) { return TimeText(NumberAt(one, "sinceMs")); }, true},
       {"REASON", [](One one) { return TextAt(one, "reason"); }, true}},
      &NameOfServer,
      [](One one) { return ValueAt(one, "inventory.labels"); }};
  return noun;
}

const Noun& SessionNoun() {
  static const Noun noun = {
      "sessions",
      {{"SESSION", [](One one) { return TextAt(one, "id").substr(0, 8); }},
       {"PHASE", [](One one) { return TextAt(one, "phase"); }},
       {"SERVER", [](One one) { return NamesOf(ServersOf(one)); }},
       {"SHARE", [](One one) { return ShareText(NumberAt(one, "spec.slice.share")); }},
       {"MEMORY", [](One one) { return Gibibytes(NumberAt(one, "load.memoryBytes")); }, false,
        [](One one) { return NumberAt(one, "load.memoryBytes"); }},
       {"GPU TIME", &SecondsText, false, [](One one) { return NumberAt(one, "load.gpuNs"); }},
       {"PROCESSES", [](One one) { return TextAt(one, "load.clients"); }},
       {"HOST", [](One one) { return TextAt(one, "spec.host"); }},
       {"PROGRAM", [](One one) { return TextAt(one, "spec.program"); }},
       {"USER", [](One one) { return TextAt(one, "user"); }, true},
       {"PROJECT", [](One one) { return TextAt(one, "spec.project"); }, true},
       {"PRIORITY", [](One one) { return TextAt(one, "spec.slice.priority"); }, true},
       {"GPUS", [](One one) { return TextAt(one, "devices"); }, true},
       {"NET LIMIT", &NetLimitOf, true, [](One one) { return NumberAt(one, "netLimitBytes"); }},
       {"CREATED", [](One one) { return TimeText(NumberAt(one, "createdMs")); }, true},
       {"ENDED", [](One one) { return TimeText(NumberAt(one, "endedMs")); }, true},
       {"ID", [](One one) { return TextAt(one, "id"); }, true},
       {"REASON", [](One one) { return TextAt(one, "reason"); }}},
      [](One one) { return TextAt(one, "id"); },
      &LabelsOfSession};
  return noun;
}

const Noun& ProjectNoun() {
  static const Noun noun = {
      "projects",
      {{"PROJECT",
        [](One one) {
          return NameOfProject(one) + (ValueAt(one, "project.isOrg") == true ? "/" : "");
        }},
       {"IN", [](One one) { return TextAt(one, "project.org"); }},
       {"USED", [](One one) { return AmountText(ValueAt(one, "used")); }, false,
        [](One one) { return NumberAt(one, "used.gpus"); }},
       {"GUARANTEED", [](One one) { return AmountText(ValueAt(one, "project.quota.guaranteed")); }},
       {"LIMIT", [](One one) { return AmountText(ValueAt(one, "project.quota.limit")); }},
       {"WEIGHT", [](One one) { return ShareText(WeightOf(one)); }},
       {"WAITING", [](One one) { return TextAt(one, "waiting"); }},
       {"LENDABLE", [](One one) { return AmountText(ValueAt(one, "project.quota.lendable")); },
        true},
       {"IDLE LIMIT", [](One one) { return TextAt(one, "project.idleLimitS"); }, true},
       {"SHARE OF POOL", [](One one) { return ShareText(NumberAt(one, "dominantShare")); }, true},
       {"CREATED", [](One one) { return TimeText(NumberAt(one, "project.createdMs")); }, true}},
      &NameOfProject,
      [](One one) {
        return OrderedJson{{"name", NameOfProject(one)}, {"org", TextAt(one, "project.org")}};
      }};
  return noun;
}

const Noun& QueueNoun() {
  static const Noun noun = {
      "entries",
      {{"PLACE", [](One one) { return TextAt(one, "place.position"); }},
       {"SESSION", [](One one) { return TextAt(one, "session.id").substr(0, 8); }},
       {"PROJECT", [](One one) { return OrElse(TextAt(one, "session.spec.project"), "default"); }},
       {"CLASS",
        [](One one) { return OrElse(TextAt(one, "session.spec.slice.priority"), "standard"); }},
       {"GPUS",
        [](One one) {
          const std::string gpus = TextAt(one, "session.spec.gpus");
          return gpus == "0" ? "1" : OrElse(gpus, "1");
        }},
       {"SHARE", [](One one) { return ShareText(NumberAt(one, "session.spec.slice.share")); }},
       {"MEMORY",
        [](One one) { return Gibibytes(NumberAt(one, "session.spec.slice.memoryBytes")); }, false,
        [](One one) { return NumberAt(one, "session.spec.slice.memoryBytes"); }},
       {"DEADLINE", [](One one) { return TextAt(one, "session.spec.startWithinS"); }, true},
       {"ESTIMATE", &EstimateOf, false, [](One one) { return NumberAt(one, "place.estimateS"); }},
       {"USER", [](One one) { return TextAt(one, "session.user"); }, true},
       {"HOST", [](One one) { return TextAt(one, "session.spec.host"); }, true},
       {"PROGRAM", [](One one) { return TextAt(one, "session.spec.program"); }, true},
       {"SINCE", [](One one) { return TimeText(NumberAt(one, "session.queuedMs")); }, true},
       {"ID", [](One one) { return TextAt(one, "session.id"); }, true},
       {"REASON", [](One one) { return TextAt(one, "session.reason"); }}},
      [](One one) { return TextAt(one, "session.id"); },
      &LabelsOfEntry};
  return noun;
}

const Noun& ReservationNoun() {
  static const Noun noun = {"reservations",
                            {{"RESERVATION", [](One one) { return TextAt(one, "id"); }},
                             {"PROJECT", [](One one) { return TextAt(one, "project"); }},
                             {"AMOUNT", [](One one) { return AmountText(ValueAt(one, "amount")); }},
                             {"FROM", [](One one) { return TimeText(NumberAt(one, "fromMs")); }},
                             {"UNTIL", [](One one) { return TimeText(NumberAt(one, "untilMs")); }},
                             {"NOTE", [](One one) { return TextAt(one, "note"); }},
                             {"BY", [](One one) { return TextAt(one, "createdBy"); }, true}},
                            [](One one) { return TextAt(one, "id"); },
                            [](One one) {
                              return OrderedJson{{"project", TextAt(one, "project")}};
                            }};
  return noun;
}

}  // namespace farlane::cli
