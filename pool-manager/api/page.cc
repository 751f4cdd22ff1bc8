// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/api/page.h"

#include <charconv>

#include "pool-manager/api/answers.h"
#include "protocol/token/base64url.h"

namespace farlane::pool {

std::string ContinueAfter(const std::string& key) {
  return token::Base64Url(key);
}

bool ReadPageRequest(const HttpRequest& request, PageRequest* page, HttpAnswer* problem) {
  if (const auto limit = request.query.find("limit"); limit != request.query.end()) {
    const std::string& text = limit->second;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), page->limit);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size() || page->limit == 0 ||
        page->limit > kPageItemsLimit) {
      *problem = Problem(400, "Invalid",
                         "limit is a number from 1 to " + std::to_string(kPageItemsLimit) +
                             ", not \"" + text + "\"");
      return false;
    }
  }
  const auto from = request.query.find("continue");
  if (from == request.query.end() || from->second.empty()) {
    return true;
  }
  std::optional<std::string> key = token::FromBase64Url(from->second);
  if (!key.has_value() || key->empty()) {
    *problem = Problem(400, "Invalid", "continue is not what a page has said");
    return false;
  }
  page->after = std::move(*key);
  return true;
}

}  // namespace farlane::pool
