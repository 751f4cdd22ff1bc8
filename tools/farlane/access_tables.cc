// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/access_tables.h"

#include <charconv>
#include <ctime>
#include <nlohmann/json.hpp>

#include "tools/farlane/noun_output.h"

namespace farlane::cli {
namespace {

using nlohmann::json;
using Row = std::vector<std::string>;

Result<json> Parse(const std::string& text) {
  json parsed = json::parse(text, nullptr, false);
  if (!parsed.is_object()) {
    return Status(StatusCode::kCorrupt, "the pool's answer is not understood");
  }
  return parsed;
}

// The manager writes 64-bit numbers as texts.
std::string Text(const json& from, const char* name) {
  const auto found = from.find(name);
  if (found == from.end()) {
    return "";
  }
  return found->is_string() ? found->get<std::string>() : found->dump();
}

json List(const json& from, const char* name) {
  const auto found = from.find(name);
  return found != from.end() && found->is_array() ? *found : json::array();
}

std::string Joined(const json& words) {
  std::string text;
  for (const json& word : words) {
    text += word.is_string() ? (text.empty() ? "" : ",") + word.get<std::string>() : "";
  }
  return text;
}

std::string TimeText(const std::string& ms) {
  const time_t seconds = std::strtoll(ms.c_str(), nullptr, 10) / 1000;
  if (seconds == 0) {
    return "-";
  }
  tm parts{};
  char text[32] = "?";
  if (gmtime_r(&seconds, &parts) != nullptr) {
    static_cast<void>(strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts));
  }
  return text;
}

std::string OrDash(const std::string& text) {
  return text.empty() ? "-" : text;
}

Row AuditRow(const json& record) {
  const std::string status = Text(record, "status");
  return {Text(record, "epoch") + "/" + Text(record, "seq"),
          TimeText(Text(record, "timeMs")),
          Text(record, "kind"),
          OrDash(Text(record, "actor").empty() ? Text(record, "user") : Text(record, "actor")),
          OrDash(Text(record, "verb")),
          OrDash(Text(record, "object").substr(0, 16)),
          status == "0" ? "-" : OrDash(status),
          OrDash(Text(record, "address")),
          Text(record, "detail").substr(0, 60)};
}

std::string Aligned(const std::vector<Row>& rows) {
  std::vector<size_t> widths;
  return AlignedText(rows, &widths);
}

}  // namespace

Result<std::string> TokensTable(const std::string& text) {
  FARLANE_ASSIGN(const json parsed, Parse(text));
  std::vector<Row> rows = {{"ID", "USER", "ROLES", "PROJECT", "EXPIRES", "MADE BY", "NOTE"}};
  for (const json& token : List(parsed, "tokens")) {
    const bool service = token.value("serviceAccount", false);
    rows.push_back({Text(token, "id"), Text(token, "user") + (service ? " (service)" : ""),
                    Joined(List(token, "roles")), OrDash(Text(token, "project")),
                    TimeText(Text(token, "expiresMs")), Text(token, "createdBy"),
                    Text(token, "note")});
  }
  return Aligned(rows);
}

Result<std::string> JoinKeysTable(const std::string& text) {
  FARLANE_ASSIGN(const json parsed, Parse(text));
  std::vector<Row> rows = {{"ID", "FOR A", "EXPIRES", "USED", "BY", "MADE BY", "NOTE"}};
  for (const json& key : List(parsed, "keys")) {
    rows.push_back({Text(key, "id"), Text(key, "kind"), TimeText(Text(key, "expiresMs")),
                    TimeText(Text(key, "usedMs")), OrDash(Text(key, "usedBy")),
                    Text(key, "createdBy"), Text(key, "note")});
  }
  return Aligned(rows);
}

Result<std::string> SecretText(const std::string& text) {
  FARLANE_ASSIGN(const json parsed, Parse(text));
  const std::string secret = Text(parsed, "secret");
  if (secret.empty()) {
    return Status(StatusCode::kCorrupt, "the pool's answer is not understood");
  }
  return secret + "\n";
}

Result<std::string> WhoAmIText(const std::string& text) {
  FARLANE_ASSIGN(const json parsed, Parse(text));
  const std::string project = Text(parsed, "project");
  const std::string token = Text(parsed, "tokenId");
  return Text(parsed, "user") + ": " + Joined(List(parsed, "roles")) +
         (project.empty() ? " in the whole pool" : " in the project \"" + project + "\"") +
         (token.empty() ? ""
                        : ", token " + token + " until " + TimeText(Text(parsed, "expiresMs"))) +
         "\n";
}

Result<std::string> PermissionsTable(const std::string& text) {
  FARLANE_ASSIGN(const json parsed, Parse(text));
  std::vector<Row> rows = {{"VERB", "REACH"}};
  for (const json& permission : List(parsed, "permissions")) {
    rows.push_back({Text(permission, "verb"), Text(permission, "reach")});
  }
  return Aligned(rows);
}

Result<std::string> AuditTable(const std::string& text) {
  FARLANE_ASSIGN(const json parsed, Parse(text));
  std::vector<Row> rows = {
      {"RECORD", "TIME", "KIND", "WHO", "VERB", "OBJECT", "STATUS", "FROM", "DETAIL"}};
  for (const json& record : List(parsed, "records")) {
    rows.push_back(AuditRow(record));
  }
  return Aligned(rows);
}

Result<std::string> VerdictText(const std::string& text) {
  FARLANE_ASSIGN(const json parsed, Parse(text));
  std::string said = parsed.value("intact", false) ? "intact: " : "NOT intact: ";
  said += Text(parsed, "records") + " records in " + Text(parsed, "segments") +
          " segments, the last is " + Text(parsed, "epoch") + "/" + Text(parsed, "seq") +
          " with the head " + Text(parsed, "head") + "\n";
  for (const char* kind : {"problems", "elsewhere"}) {
    for (const json& line : List(parsed, kind)) {
      said += line.is_string() ? "  " + line.get<std::string>() + "\n" : "";
    }
  }
  return said;
}

bool IsAllowed(const std::string& text) {
  const json parsed = json::parse(text, nullptr, false);
  if (!parsed.is_object() || List(parsed, "permissions").empty()) {
    return false;
  }
  for (const json& permission : List(parsed, "permissions")) {
    if (!permission.is_object() || !permission.value("allowed", false)) {
      return false;
    }
  }
  return true;
}

bool IsIntact(const std::string& text) {
  const json parsed = json::parse(text, nullptr, false);
  return parsed.is_object() && parsed.value("intact", false);
}

std::string TokenBody(const TokenWish& wish) {
  json body;
  body["user"] = wish.user;
  body["serviceAccount"] = wish.service_account;
  body["roles"] = wish.roles;
  body["project"] = wish.project;
  body["lifetimeSeconds"] = wish.lifetime_seconds;
  body["note"] = wish.note;
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<int64_t> ParseLifetime(const std::string& text) {
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  const std::string unit(read.ptr, end);
  const int64_t seconds = unit == "d"   ? 86'400
                          : unit == "h" ? 3'600
                          : unit == "m" ? 60
                          : unit == "s" ? 1
                                        : 0;
  constexpr int64_t kNumberMax = 1'000'000'000;
  if (read.ec != std::errc() || seconds == 0 || number <= 0 || number > kNumberMax) {
    return Status(StatusCode::kInvalidArgument,
                  "\"" + text + "\" is no time; say 90d, 12h, 30m or 45s");
  }
  return number * seconds;
}

}  // namespace farlane::cli
