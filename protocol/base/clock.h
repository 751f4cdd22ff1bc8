// SPDX-License-Identifier: Apache-2.0
// The one place that asks the system what time it is. Policies take times as arguments instead.
#pragma once

#include <cstdint>
#include <ctime>

namespace farlane {

// Nanoseconds of a clock that only goes forward; its start means nothing.
inline uint64_t NowNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000ull + static_cast<uint64_t>(now.tv_nsec);
}

// What people's clocks say; it may be set back. Only to be shown.
inline timespec WallTime() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now;
}

// The same in milliseconds since 1970.
inline int64_t WallMs() {
  const timespec now = WallTime();
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace farlane
