// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/pool_tables.h"

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

namespace farlane::cli {
namespace {

using nlohmann::json;

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

std::string Gibibytes(uint64_t bytes) {
  char text[32];
  snprintf(text, sizeof text, "%.1f GiB", static_cast<double>(bytes) / (1 << 30));
  return text;
}

Result<json> Parse(const std::string& text) {
  json parsed = json::parse(text, nullptr, false);
  if (!parsed.is_object()) {
    return Status(StatusCode::kCorrupt, "the pool's answer is not understood");
  }
  return parsed;
}

json Member(const json& from, const char* name) {
  const auto found = from.find(name);
  return found == from.end() ? json::object() : *found;
}

std::string Seconds(const json& from, const char* name) {
  const std::string text = Text(from, name);
  return text.starts_with("-") ? "-" : text + " s";
}

}  // namespace

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
