// SPDX-License-Identifier: Apache-2.0
// Long lists are answered in pages: ?limit=, and ?continue= with what the page before it said. A
// page begins behind a key and not at a number, so what comes and goes meanwhile makes nobody see
// anything twice, or miss what was there all the time.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "pool-manager/api/http_server.h"
#include "pool-manager/api/route.h"

namespace farlane::pool {

inline constexpr size_t kPageItems = 500;
inline constexpr size_t kPageItemsLimit = 5000;

struct PageRequest {
  size_t limit = kPageItems;
  std::string after;  // the key of the last one of the page before; empty: from the beginning
};

// False: `problem` says what is wrong with it.
bool ReadPageRequest(const HttpRequest& request, PageRequest* page, HttpAnswer* problem);

// What ?continue= is to be, so that the next page begins behind this key.
std::string ContinueAfter(const std::string& key);

// Sorts by the key and leaves the page; the key to go on behind, empty: that was the last page.
template <typename Object, typename Key>
std::string CutPage(const PageRequest& page, std::vector<Object>* objects, const Key& key) {
  std::sort(objects->begin(), objects->end(),
            [&key](const Object& a, const Object& b) { return key(a) < key(b); });
  const auto first = std::find_if(objects->begin(), objects->end(), [&](const Object& object) {
    return page.after.empty() || key(object) > page.after;
  });
  objects->erase(objects->begin(), first);
  if (objects->size() <= page.limit) {
    return "";
  }
  objects->resize(page.limit);
  return ContinueAfter(key(objects->back()));
}

// For the description of the API; `watch` stands behind them.
inline constexpr QueryParameter kListQuery[] = {
    {"limit", "integer", "so many at most, up to 5000 [500]", "2"},
    {"continue", "string", "the page behind the one that said this", ""},
    {"watch", "integer",
     "1: a JSON object a line (WatchEvent) for all there are, then for each that comes, changes or "
     "goes, until one of both ends it",
     "0"},
    {"resourceVersion", "string",
     "of a watch: only what came after this, which a list or an event said", ""},
};

}  // namespace farlane::pool
