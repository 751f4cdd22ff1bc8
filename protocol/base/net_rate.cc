// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/net_rate.h"

#include <algorithm>

#include "protocol/base/environment.h"

namespace farlane {
namespace {

constexpr uint64_t kKibi = 1024;

bool IsLimit(NetRate rate) {
  return rate != 0 && rate != kNetRateNone;
}

}  // namespace

Result<NetRate> ParseNetRate(const std::string& text) {
  if (text == "none") {
    return kNetRateNone;
  }
  const std::string size = text.ends_with("/s") ? text.substr(0, text.size() - 2) : text;
  const Result<uint64_t> bytes = ParseBytes(size);
  if (!bytes.ok() || *bytes < kNetRateLeast * kKibi || *bytes / kKibi >= kNetRateNone) {
    return Status(StatusCode::kInvalidArgument,
                  "\"" + text +
                      "\" is no rate of a network (examples: 400M, 1200Mi/s, none; at "
                      "least 64K)");
  }
  return NetRateOf(*bytes);
}

std::string NetRateText(NetRate rate) {
  if (!IsLimit(rate)) {
    return "-";
  }
  constexpr const char* kUnits[] = {"K/s", "M/s", "G/s"};
  size_t unit = 0;
  uint64_t number = rate;
  while (number % kKibi == 0 && unit + 1 < std::size(kUnits)) {
    number /= kKibi;
    ++unit;
  }
  return std::to_string(number) + kUnits[unit];
}

NetRate NetRateOf(uint64_t bytes) {
  constexpr uint64_t kMost = kNetRateNone - 1;
  return bytes == 0
             ? 0
             : static_cast<NetRate>(std::clamp(bytes / kKibi, uint64_t{kNetRateLeast}, kMost));
}

uint64_t NetRateBytes(NetRate rate) {
  return IsLimit(rate) ? std::max(rate, kNetRateLeast) * kKibi : UINT64_MAX;
}

}  // namespace farlane
