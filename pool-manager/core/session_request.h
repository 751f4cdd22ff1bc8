// SPDX-License-Identifier: Apache-2.0
// What people ask for, as placement understands it.
#pragma once

#include "pool-manager/placement/request.h"
#include "protocol/control/pool.pb.h"

namespace farlane::pool {

inline constexpr char kBestEffort[] = "best-effort";

Request RequestOf(const v1::Session& session);

}  // namespace farlane::pool
