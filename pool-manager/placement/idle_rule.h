// SPDX-License-Identifier: Apache-2.0
// IdleRule says when a session that does nothing gives its devices back. Warned first, so that who
// only thinks may go on.
#pragma once

#include <cstdint>

namespace farlane::pool {

struct IdleRule {
  double warn_after_s = 900;
  double reclaim_after_s = 1200;  // 0: never
};

enum class IdleVerdict : uint8_t { kKeep, kWarn, kReclaim };

constexpr IdleVerdict JudgeIdle(const IdleRule& rule, double idle_s) {
  if (rule.reclaim_after_s <= 0) {
    return IdleVerdict::kKeep;
  }
  if (idle_s >= rule.reclaim_after_s) {
    return IdleVerdict::kReclaim;
  }
  return rule.warn_after_s > 0 && idle_s >= rule.warn_after_s ? IdleVerdict::kWarn
                                                              : IdleVerdict::kKeep;
}

}  // namespace farlane::pool
