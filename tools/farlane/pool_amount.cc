// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/pool_amount.h"

#include <algorithm>
#include <cstdlib>

#include "protocol/base/environment.h"
#include "protocol/base/net_rate.h"

namespace farlane::cli {

using nlohmann::json;

Result<json> AmountOf(const std::string& text) {
  json amount = json::object();
  const Status odd(
      StatusCode::kInvalidArgument,
      "\"" + text + "\" is no amount: say gpus=4,mem=64Gi,sessions=10,net=400M/s, or none");
  for (size_t start = 0; text != "none" && start < text.size();) {
    const size_t end = std::min(text.find(',', start), text.size());
    const std::string part = text.substr(start, end - start);
    const size_t equals = part.find('=');
    const std::string key = part.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : part.substr(equals + 1);
    char* rest = nullptr;
    const double number = strtod(value.c_str(), &rest);
    const bool is_number = !value.empty() && *rest == '\0' && number >= 0;
    if (key == "mem") {
      FARLANE_ASSIGN(const uint64_t bytes, ParseBytes(value));
      amount["memoryBytes"] = bytes;
    } else if (key == "net") {
      FARLANE_ASSIGN(const NetRate rate, ParseNetRate(value));
      if (rate == kNetRateNone) {
        return odd;
      }
      amount["netBytesPerS"] = NetRateBytes(rate);
    } else if (key == "gpus" && is_number) {
      amount["gpus"] = number;
    } else if (key == "sessions" && is_number) {
      amount["sessions"] = static_cast<uint64_t>(number);
    } else {
      return odd;
    }
    start = end + 1;
  }
  return amount;
}

}  // namespace farlane::cli
