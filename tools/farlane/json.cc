// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/json.h"

#include <cstdio>

namespace farlane::cli {

std::string JsonString(std::string_view text) {
  std::string quoted = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') {
      quoted += '\\';
      quoted += letter;
    } else if (static_cast<unsigned char>(letter) < 0x20) {
      char code[8];
      snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(letter));
      quoted += code;
    } else {
      quoted += letter;
    }
  }
  return quoted + '"';
}

std::string JsonList(const std::vector<std::string>& values) {
  std::string list = "[";
  for (const std::string& value : values) {
    list += (list.size() > 1 ? ", " : "") + value;
  }
  return list + "]";
}

JsonObject& JsonObject::Text(std::string_view name, std::string_view value) {
  return Raw(name, JsonString(value));
}

JsonObject& JsonObject::Number(std::string_view name, uint64_t value) {
  return Raw(name, std::to_string(value));
}

JsonObject& JsonObject::Bool(std::string_view name, bool value) {
  return Raw(name, value ? "true" : "false");
}

JsonObject& JsonObject::Raw(std::string_view name, std::string_view value) {
  members_ += members_.empty() ? "" : ", ";
  members_ += JsonString(name) + ": ";
  members_ += value;
  return *this;
}

}  // namespace farlane::cli
