// SPDX-License-Identifier: Apache-2.0
// Reads of the process environment, with one rule for what is empty: an empty variable counts as
// unset.
#pragma once

#include <optional>
#include <string>

#include "protocol/base/result.h"

namespace farlane {

std::optional<std::string> Environment(const char* name);
// As the environment has it, for the rare variable whose emptiness means something; null when
// unset.
const char* RawEnvironment(const char* name);
// "8Gi", "512Mi", "64k", "1073741824": binary suffixes Ki Mi Gi Ti (also without the i), bytes
// without one.
Result<uint64_t> ParseBytes(const std::string& text);

}  // namespace farlane
