// SPDX-License-Identifier: Apache-2.0
// The managers of a pool, as people write them: addresses with commas between.
#pragma once

#include <string>
#include <vector>

namespace farlane::control {

// At least one, which may be empty.
std::vector<std::string> ManagersOf(const std::string& text);

}  // namespace farlane::control
