// SPDX-License-Identifier: Apache-2.0
// What an alert of TLS says, for people (RFC 8446, section 6).
#pragma once

#include <cstdint>

namespace farlane::transport {

inline constexpr uint8_t kCloseNotify = 0;

const char* AlertName(uint8_t number);

}  // namespace farlane::transport
