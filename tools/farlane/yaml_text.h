// SPDX-License-Identifier: Apache-2.0
// JSON as YAML, for people who read or keep it so. What is read back is the same value.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace farlane::cli {

std::string YamlText(const nlohmann::ordered_json& value);

}  // namespace farlane::cli
