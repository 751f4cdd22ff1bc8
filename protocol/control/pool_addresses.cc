// SPDX-License-Identifier: Apache-2.0
#include "protocol/control/pool_addresses.h"

#include <algorithm>

namespace farlane::control {

std::vector<std::string> ManagersOf(const std::string& text) {
  std::vector<std::string> managers;
  for (size_t start = 0; start <= text.size();) {
    const size_t comma = std::min(text.find(',', start), text.size());
    managers.push_back(text.substr(start, comma - start));
    start = comma + 1;
  }
  return managers;
}

}  // namespace farlane::control
