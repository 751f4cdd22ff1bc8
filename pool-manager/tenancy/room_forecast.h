// SPDX-License-Identifier: Apache-2.0
// RoomForecast says on which host somebody who has waited for long, because he wants much, will
// find room first if nobody else comes there. That host is then held for him, and small requests
// do not go before him for ever.
#pragma once

#include <optional>
#include <vector>

#include "pool-manager/tenancy/preemption.h"

namespace farlane::pool {

struct RoomForecast {
  size_t host = 0;       // index
  int64_t start_ms = 0;  // when; 0: nobody knows, its sessions have no time limits
};

// Nothing: no host would have room if it were empty.
std::optional<RoomForecast> ForecastRoom(const Wanted& wanted,
                                         const std::vector<HostPicture>& hosts,
                                         int64_t now_ms);

// Whether somebody may have something of a host that is held: he is gone before its room is wanted.
bool MayFillIn(int64_t runs_ms, int64_t start_ms, int64_t now_ms);

}  // namespace farlane::pool
