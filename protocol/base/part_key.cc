// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/part_key.h"

#include <algorithm>
#include <span>
#include <string_view>

namespace farlane {

// The key stands last: who knows a digest could only go on behind it.
SessionKey PartKey(const SessionKey& key, uint32_t part) {
  constexpr std::string_view kPurpose = "farlane session part";
  std::array<uint8_t, kPurpose.size() + 1 + std::tuple_size_v<SessionKey>> text{};
  auto at = std::copy(kPurpose.begin(), kPurpose.end(), text.begin());
  *at++ = static_cast<uint8_t>(part);
  std::copy(key.begin(), key.end(), at);
  return Sha256(std::as_bytes(std::span(text)));
}

}  // namespace farlane
