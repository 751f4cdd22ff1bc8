// SPDX-License-Identifier: Apache-2.0
#include "protocol/control/near_words.h"

#include <sstream>

namespace farlane::control {

Result<std::vector<NearWords>> ParseNear(const std::string& text) {
  std::vector<NearWords> all;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    NearWords one;
    const std::string whole = word;
    if (!word.empty() && word.back() == '!') {
      one.required = true;
      word.pop_back();
    }
    if (const size_t at = word.find('@'); at != std::string::npos) {
      one.scope = word.substr(at + 1);
      word.resize(at);
    }
    one.group = word;
    const bool is_scope = one.scope == "server" || one.scope == "rack" || one.scope == "zone";
    if (one.group.empty() || !is_scope) {
      return Status(StatusCode::kInvalidArgument,
                    "\"" + whole + "\" is no group such as web, web@rack or web@zone!");
    }
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace farlane::control
