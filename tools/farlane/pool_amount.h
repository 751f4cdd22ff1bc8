// SPDX-License-Identifier: Apache-2.0
// How people say how much of a pool somebody may have.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "protocol/base/result.h"

namespace farlane::cli {

// "gpus=4,mem=64Gi,sessions=10,net=400M/s" as the pool's API has it; "none": nothing is named.
Result<nlohmann::json> AmountOf(const std::string& text);

}  // namespace farlane::cli
