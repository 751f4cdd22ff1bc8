// SPDX-License-Identifier: Apache-2.0
// JsonObject writes one JSON object for `-o json`, its members in the order in which they are
// added.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace farlane::cli {

// `text` in quotes, with everything escaped that JSON wants escaped.
std::string JsonString(std::string_view text);

// "[a, b]" of values that are JSON already.
std::string JsonList(const std::vector<std::string>& values);

// Thread: caller's.
class JsonObject {
 public:
  JsonObject& Text(std::string_view name, std::string_view value);
  JsonObject& Number(std::string_view name, uint64_t value);
  JsonObject& Bool(std::string_view name, bool value);
  // `value` is JSON already.
  JsonObject& Raw(std::string_view name, std::string_view value);

  std::string str() const { return "{" + members_ + "}"; }

 private:
  std::string members_;
};

}  // namespace farlane::cli
