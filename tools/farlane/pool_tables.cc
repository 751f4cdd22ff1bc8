// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/pool_tables.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

namespace farlane::cli {
namespace {

using nlohmann::json;
using Row = std::vector<std::string>;

// Columns as wide as what stands in them, two spaces apart.
std::string Table(const std::vector<Row>& rows) {
  std::vector<size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i] + std::string(widths[i] - row[i].size() + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

// Whatever it is, as people read it; the manager writes 64-bit numbers as texts.
std::string Text(const json& from, const char* name) {
  const auto found = from.find(name);
  if (found == from.end()) {
    return "";
  }
  if (found->is_string()) {
    return found->get<std::string>();
  }
  return found->dump();
}

uint64_t Number(const json& from, const char* name) {
  const std::string text = Text(from, name);
  return std::strtoull(text.c_str(), nullptr, 10);
}

json Member(const json& from, const char* name) {
  const auto found = from.find(name);
  return found == from.end() ? json::object() : *found;
}

std::string Gibibytes(uint64_t bytes) {
  char text[32];
  snprintf(text, sizeof text, "%.1f GiB", static_cast<double>(bytes) / (1 << 30));
  return text;
}

std::string Share(const json& from, const char* name) {
  const auto found = from.find(name);
  char text[32];
  snprintf(text, sizeof text, "%.3g",
           found != from.end() && found->is_number() ? found->get<double>() : 0.0);
  return text;
}

Result<json> Parse(const std::string& text) {
  json parsed = json::parse(text, nullptr, false);
  if (!parsed.is_object()) {
    return Status(StatusCode::kCorrupt, "the pool's answer is not understood");
  }
  return parsed;
}

Row ServerRow(const json& server) {
  const json inventory = Member(server, "inventory");
  uint64_t memory_bytes = 0;
  std::string model;
  const json devices = Member(inventory, "devices");
  for (const json& device : devices) {
    memory_bytes += Number(device, "memoryBytes");
    model = Text(device, "model");
  }
  const auto cordoned = server.find("cordoned");
  const bool is_cordoned = cordoned != server.end() && *cordoned == true;
  std::string address;
  for (const json& one : Member(inventory, "addresses")) {
    address = address.empty() && one.is_string() ? one.get<std::string>() : address;
  }
  return {Text(inventory, "name"),
          Text(server, "state") + (is_cordoned ? ",CORDONED" : ""),
          std::to_string(devices.size()) + " x " + model,
          Gibibytes(memory_bytes),
          Share(server, "promisedShare"),
          Text(server, "sessions"),
          address};
}

Row SessionRow(const json& session) {
  constexpr size_t kNameShown = 8;
  const json spec = Member(session, "spec");
  const json slice = Member(spec, "slice");
  const json load = Member(session, "load");
  const double seconds = static_cast<double>(Number(load, "gpuNs")) / 1e9;
  char gpu[32];
  snprintf(gpu, sizeof gpu, "%.3f s", seconds);
  return {Text(session, "id").substr(0, kNameShown),
          Text(session, "phase"),
          Text(session, "server"),
          Share(slice, "share"),
          Gibibytes(Number(load, "memoryBytes")),
          gpu,
          Text(load, "clients"),
          Text(spec, "host"),
          Text(spec, "program"),
          Text(session, "reason")};
}

// "4 GPUs, 64 GiB"; what is not named is not told.
std::string AmountText(const json& amount) {
  std::string text;
  const auto add = [&text](const std::string& more) { text += (text.empty() ? "" : ", ") + more; };
  if (amount.contains("gpus")) {
    add(Share(amount, "gpus") + " GPUs");
  }
  if (amount.contains("memoryBytes")) {
    add(Gibibytes(Number(amount, "memoryBytes")));
  }
  if (amount.contains("sessions")) {
    add(Text(amount, "sessions") + " sessions");
  }
  return text.empty() ? "-" : text;
}

Row ProjectRow(const json& status) {
  const json project = Member(status, "project");
  const json quota = Member(project, "quota");
  const std::string weight = Share(quota, "weight");
  return {Text(project, "name") + (Text(project, "isOrg") == "true" ? "/" : ""),
          Text(project, "org"),
          AmountText(Member(status, "used")),
          AmountText(Member(quota, "guaranteed")),
          AmountText(Member(quota, "limit")),
          weight == "0" ? "1" : weight,
          Text(status, "waiting")};
}

std::string Seconds(const json& from, const char* name) {
  const std::string text = Text(from, name);
  return text.starts_with("-") ? "-" : text + " s";
}

Row QueueRow(const json& entry) {
  constexpr size_t kNameShown = 8;
  const json session = Member(entry, "session");
  const json spec = Member(session, "spec");
  const json slice = Member(spec, "slice");
  const json place = Member(entry, "place");
  const std::string project = Text(spec, "project");
  const std::string priority = Text(slice, "priority");
  return {Text(place, "position"),
          Text(session, "id").substr(0, kNameShown),
          project.empty() ? "default" : project,
          priority.empty() ? "standard" : priority,
          std::to_string(std::max<uint64_t>(Number(spec, "gpus"), 1)),
          Share(slice, "share"),
          Gibibytes(Number(slice, "memoryBytes")),
          Seconds(place, "estimateS"),
          Text(session, "reason")};
}

}  // namespace

Result<std::string> ProjectsTable(const std::string& text) {
  FARLANE_ASSIGN(const json parsed, Parse(text));
  std::vector<Row> rows = {{"PROJECT", "IN", "USED", "GUARANTEED", "LIMIT", "WEIGHT", "WAITING"}};
  for (const json& project : Member(parsed, "projects")) {
    rows.push_back(ProjectRow(project));
  }
  return Table(rows);
}

Result<std::string> QueueTable(const std::string& text) {
  FARLANE_ASSIGN(const json parsed, Parse(text));
  std::vector<Row> rows = {
      {"PLACE", "SESSION", "PROJECT", "CLASS", "GPUS", "SHARE", "MEMORY", "ESTIMATE", "REASON"}};
  for (const json& entry : Member(parsed, "entries")) {
    rows.push_back(QueueRow(entry));
  }
  return Table(rows);
}

Result<std::string> QueueEntryText(const std::string& text) {
  FARLANE_ASSIGN(const json parsed, Parse(text));
  const json place = Member(parsed, "place");
  const json session = Member(parsed, "session");
  std::string lines = "session " + Text(session, "id") + ": place " + Text(place, "position") +
                      " of " + Text(place, "waiting") + ", estimate " +
                      Seconds(place, "estimateS") + "\n";
  for (const json& reason : Member(place, "reasons")) {
    lines += reason.is_string() ? "  " + reason.get<std::string>() + "\n" : "";
  }
  return lines;
}

Result<std::string> ServersTable(const std::string& text) {
  FARLANE_ASSIGN(const json parsed, Parse(text));
  std::vector<Row> rows = {
      {"NAME", "STATE", "DEVICES", "MEMORY", "PROMISED", "SESSIONS", "ADDRESS"}};
  for (const json& server : Member(parsed, "servers")) {
    rows.push_back(ServerRow(server));
  }
  return Table(rows);
}

Result<std::string> SessionsTable(const std::string& text) {
  FARLANE_ASSIGN(const json parsed, Parse(text));
  std::vector<Row> rows = {{"SESSION", "PHASE", "SERVER", "SHARE", "MEMORY", "GPU TIME",
                            "PROCESSES", "HOST", "PROGRAM", "REASON"}};
  for (const json& session : Member(parsed, "sessions")) {
    rows.push_back(SessionRow(session));
  }
  return Table(rows);
}

Result<std::string> StatusText(const std::string& text) {
  FARLANE_ASSIGN(const json parsed, Parse(text));
  return "pool \"" + Text(parsed, "pool") + "\", version " + Text(parsed, "version") + ", epoch " +
         Text(parsed, "epoch") + ", stored in " + Text(parsed, "store") + "\n" +
         Text(parsed, "serversReady") + " of " + Text(parsed, "servers") + " servers ready, " +
         Text(parsed, "devices") + " devices, " + Gibibytes(Number(parsed, "memoryBytes")) + "\n" +
         Text(parsed, "sessionsActive") + " sessions, " + Text(parsed, "sessionsPending") +
         " waiting\n";
}

Result<uint64_t> ReadyServers(const std::string& text) {
  FARLANE_ASSIGN(const json parsed, Parse(text));
  return Number(parsed, "serversReady");
}

}  // namespace farlane::cli
