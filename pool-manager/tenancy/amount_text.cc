// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/tenancy/amount_text.h"

#include <cstdio>

#include "protocol/base/slice.h"

namespace farlane::pool {

std::string AmountText(Resource resource, uint64_t amount) {
  char text[48];
  if (amount == kNoLimit) {
    return "no limit";
  }
  switch (resource) {
    case Resource::kShare:
      snprintf(text, sizeof text, "%.6g GPUs", static_cast<double>(amount) / kWholeShare);
      return text;
    case Resource::kMemory:
      snprintf(text, sizeof text, "%.4g GiB", static_cast<double>(amount) / (1u << 30));
      return text;
    case Resource::kNetwork:
      snprintf(text, sizeof text, "%.4g MiB/s", static_cast<double>(amount) / (1u << 20));
      return text;
    default:
      return std::to_string(amount) + (amount == 1 ? " session" : " sessions");
  }
}

}  // namespace farlane::pool
