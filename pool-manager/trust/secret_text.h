// SPDX-License-Identifier: Apache-2.0
// Secrets that are shown once, as a text, and of which only the digest is kept.
#pragma once

#include <string>
#include <string_view>

#include "protocol/base/result.h"

namespace farlane::pool {

Result<std::string> RandomBytes(size_t count);

// 256 random bits, as a text behind the prefix.
Result<std::string> FreshSecret(std::string_view prefix);

// The SHA-256, 32 bytes.
std::string DigestOf(std::string_view secret);

}  // namespace farlane::pool
