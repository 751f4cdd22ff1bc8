// SPDX-License-Identifier: Apache-2.0
// Amounts as people read them.
#pragma once

#include <string>

#include "pool-manager/tenancy/amount.h"

namespace farlane::pool {

// "1.5 GPUs", "64 GiB", "1 session" or "no limit".
std::string AmountText(Resource resource, uint64_t amount);

}  // namespace farlane::pool
