// SPDX-License-Identifier: Apache-2.0
// A program's profile as it is stored. What does not fit is no profile: then the program is new.
#pragma once

#include <optional>
#include <string>

#include "pool-manager/placement/app_profile.h"
#include "protocol/control/pool.pb.h"

namespace farlane::pool {

v1::Profile RecordOf(const std::string& key, const AppProfile& profile);
std::optional<AppProfile> ProfileOf(const v1::Profile& record);

}  // namespace farlane::pool
