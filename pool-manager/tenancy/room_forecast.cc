// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/tenancy/room_forecast.h"

#include <algorithm>

namespace farlane::pool {
namespace {

void Leave(const RunningSession& session, HostPicture* host) {
  for (uint32_t device : session.devices) {
    host->devices[device].share_free += session.share;
    host->devices[device].memory_free += session.memory;
    --host->devices[device].sessions;
  }
}

// 0: nobody knows. Nothing: never.
std::optional<int64_t> RoomAt(const Wanted& wanted, HostPicture host, int64_t now_ms) {
  std::vector<RunningSession> sessions = std::move(host.sessions);
  constexpr int64_t kNever = INT64_MAX;
  const auto end_of = [](const RunningSession& one) {
    return one.ends_ms == 0 ? kNever : one.ends_ms;
  };
  std::sort(sessions.begin(), sessions.end(),
            [&](const auto& a, const auto& b) { return end_of(a) < end_of(b); });
  if (HasRoom(wanted, host)) {
    return now_ms;
  }
  for (const RunningSession& session : sessions) {
    Leave(session, &host);
    if (HasRoom(wanted, host)) {
      return session.ends_ms == 0 ? 0 : std::max(session.ends_ms, now_ms);
    }
  }
  return std::nullopt;
}

uint64_t ShareInUse(const HostPicture& host) {
  uint64_t sum = 0;
  for (const RunningSession& session : host.sessions) {
    sum += session.share * session.devices.size();
  }
  return sum;
}

}  // namespace

std::optional<RoomForecast> ForecastRoom(const Wanted& wanted,
                                         const std::vector<HostPicture>& hosts,
                                         int64_t now_ms) {
  std::optional<RoomForecast> best;
  for (size_t i = 0; i < hosts.size(); ++i) {
    const std::optional<int64_t> at = RoomAt(wanted, hosts[i], now_ms);
    if (!at.has_value()) {
      continue;
    }
    const bool known = *at != 0;
    const bool best_known = best.has_value() && best->start_ms != 0;
    const bool sooner = known && best_known && *at < best->start_ms;
    const bool emptier = best.has_value() && !known && !best_known &&
                         ShareInUse(hosts[i]) < ShareInUse(hosts[best->host]);
    if (!best.has_value() || (known && !best_known) || sooner || emptier) {
      best = RoomForecast{.host = i, .start_ms = *at};
    }
  }
  return best;
}

bool MayFillIn(int64_t runs_ms, int64_t start_ms, int64_t now_ms) {
  return runs_ms > 0 && start_ms > 0 && now_ms + runs_ms <= start_ms;
}

}  // namespace farlane::pool
