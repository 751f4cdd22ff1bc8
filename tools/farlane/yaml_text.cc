// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/yaml_text.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace farlane::cli {
namespace {

using Json = nlohmann::ordered_json;

// Words that YAML reads as something else than a text, whatever their case.
constexpr std::array kWords = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};

// Whether it may stand without quotes: a letter first, and nothing that YAML gives a meaning to.
bool IsPlain(const std::string& text) {
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(), ::tolower);
  const bool is_word = std::find(kWords.begin(), kWords.end(), lower) != kWords.end();
  return !text.empty() && !is_word && isalpha(static_cast<unsigned char>(text[0])) != 0 &&
         std::all_of(text.begin(), text.end(), [](unsigned char letter) {
           return isalnum(letter) != 0 || letter == '_' || letter == '-' || letter == '.' ||
                  letter == '/';
         });
}

// JSON's texts are YAML's, too.
std::string Scalar(const Json& value) {
  return value.is_string() && IsPlain(value.get_ref<const std::string&>())
             ? value.get<std::string>()
             : value.dump();
}

bool IsBlock(const Json& value) {
  return value.is_structured() && !value.empty();
}

void Append(const Json& value, size_t indent, std::string* text);

// Behind a "key:" or a "-".
void AppendBehind(const Json& value, size_t indent, std::string* text) {
  if (!IsBlock(value)) {
    *text += " " + Scalar(value) + "\n";
    return;
  }
  *text += "\n";
  Append(value, indent, text);
}

void Append(const Json& value, size_t indent, std::string* text) {
  constexpr size_t kStep = 2;
  const std::string space(indent, ' ');
  if (!IsBlock(value)) {
    *text += space + Scalar(value) + "\n";
  } else if (value.is_object()) {
    for (const auto& [key, member] : value.items()) {
      *text += space + Scalar(Json(key)) + ":";
      AppendBehind(member, indent + kStep, text);
    }
  } else {
    for (const Json& item : value) {
      // The first line of what is in a list stands behind its dash.
      std::string lines;
      Append(item, indent + kStep, &lines);
      *text += space + "- " + lines.substr(indent + kStep);
    }
  }
}

}  // namespace

std::string YamlText(const Json& value) {
  std::string text;
  Append(value, 0, &text);
  return text;
}

}  // namespace farlane::cli
