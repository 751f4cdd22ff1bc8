// SPDX-License-Identifier: Apache-2.0
// Files with secrets: only their owner can read them, and one is there wholly or not at all.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "protocol/base/result.h"

namespace farlane::pki {

// In place of what is there.
Status WriteSecretFile(const std::string& path, std::string_view bytes);

// Nothing: there is no such file. kRefused: others could read or change it.
Result<std::optional<std::string>> ReadSecretFile(const std::string& path);

}  // namespace farlane::pki
