// SPDX-License-Identifier: Apache-2.0
// What people ask for, as placement understands it.
#pragma once

#include <vector>

#include "pool-manager/placement/request.h"
#include "protocol/base/result.h"
#include "protocol/control/pool.pb.h"

namespace farlane::pool {

inline constexpr char kBestEffort[] = "best-effort";

Request RequestOf(const v1::Session& session);

// Whose company it wants.
inline constexpr int kNearRulesMax = 16;
Result<std::vector<NearRule>> NearRulesOf(const v1::SessionSpec& spec);

}  // namespace farlane::pool
