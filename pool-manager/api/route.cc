// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/api/route.h"

#include <algorithm>
#include <initializer_list>

namespace farlane::pool {

const std::vector<Route>& AllRoutes() {
  static const std::vector<Route> all = [] {
    std::vector<Route> routes;
    for (const std::span<const Route> some : {PoolRoutes(), SessionRoutes(), ServerRoutes(),
                                              TenantRoutes(), AccessRoutes(), JoinRoutes()}) {
      routes.insert(routes.end(), some.begin(), some.end());
    }
    return routes;
  }();
  return all;
}

bool PathMatches(const std::string& pattern,
                 const std::string& path,
                 std::vector<std::string>* names) {
  names->clear();
  size_t at = 0;
  for (size_t i = 0; i < pattern.size();) {
    if (pattern[i] != '{') {
      if (at == path.size() || path[at++] != pattern[i++]) {
        return false;
      }
      continue;
    }
    const size_t end = std::min(path.find_first_of("/:", at), path.size());
    if (end == at) {
      return false;
    }
    names->push_back(path.substr(at, end - at));
    at = end;
    i = pattern.find('}', i) + 1;
  }
  return at == path.size();
}

}  // namespace farlane::pool
