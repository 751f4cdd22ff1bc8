// SPDX-License-Identifier: Apache-2.0
// Names of sessions and servers, and digests, as people see them: hexadecimal digits.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace farlane::control {

std::string Hex(std::span<const uint8_t> bytes);

// False unless the text is exactly so many bytes, in lower case.
bool FromHex(std::string_view text, std::span<uint8_t> bytes);

}  // namespace farlane::control
