// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/milliseconds.h"

#include <charconv>

namespace farlane {

Result<double> ParseMilliseconds(const std::string& text) {
  const char* const end = text.data() + text.size();
  double number = 0;
  const auto [unit, error] = std::from_chars(text.data(), end, number);
  const std::string name(unit, end);
  const bool is_unit = name.empty() || name == "ms" || name == "us" || name == "s";
  const double scaled = name == "us" ? number / 1e3 : name == "s" ? number * 1e3 : number;
  constexpr double kMost = 3'600'000;
  if (error != std::errc() || !is_unit || !(scaled > 0) || !(scaled < kMost)) {
    return Status(StatusCode::kInvalidArgument,
                  "\"" + text + "\" is no short time such as 5ms, 300us or 1s");
  }
  return scaled;
}

}  // namespace farlane
