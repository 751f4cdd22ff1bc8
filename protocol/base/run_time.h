// SPDX-License-Identifier: Apache-2.0
// How long something may run, as people write it: "90", "90s", "30m", "2h", "1d".
#pragma once

#include <cstdint>
#include <string>

#include "protocol/base/result.h"

namespace farlane {

// In seconds; at most a year.
inline Result<uint32_t> ParseRunTime(const std::string& text) {
  constexpr uint64_t kMost = 366ull * 86'400;
  const size_t digits = text.find_first_not_of("0123456789");
  const std::string unit = digits == std::string::npos ? "s" : text.substr(digits);
  const uint64_t each = unit == "s"   ? 1
                        : unit == "m" ? 60
                        : unit == "h" ? 3'600
                        : unit == "d" ? 86'400
                                      : 0;
  const std::string number = text.substr(0, digits);
  const bool is_number = !number.empty() && number.size() <= 9;
  const uint64_t seconds = is_number && each != 0 ? std::stoull(number) * each : 0;
  if (seconds == 0 || seconds > kMost) {
    return Status(StatusCode::kInvalidArgument,
                  "\"" + text + "\" is no time: say 90s, 30m, 2h or 1d, at most a year");
  }
  return static_cast<uint32_t>(seconds);
}

}  // namespace farlane
