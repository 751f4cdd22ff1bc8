// SPDX-License-Identifier: Apache-2.0
// Bytes as text that may stand in an address, an environment variable or a file's name (RFC 4648,
// section 5), without the padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace farlane::token {

std::string Base64Url(std::string_view bytes);

// Nothing for what Base64Url would not have written: each text has one reading, and each reading
// one text.
std::optional<std::string> FromBase64Url(std::string_view text);

}  // namespace farlane::token
