// SPDX-License-Identifier: Apache-2.0
// The access table: which role may do what, and with whose things. It is the only place that says
// so; what it does not name is not allowed.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "pool-manager/trust/role.h"

namespace farlane::pool {

enum class Verb : uint8_t {
  kStatusRead,
  kPoolChange,  // to have another manager lead
  kPoolBackup,  // all that is stored
  kServerRead,
  kServerChange,  // cordon, drain, taint
  kServerRevoke,  // it is none of the pool's any more
  kSessionRead,
  kSessionCreate,
  kSessionPlan,  // where it would go
  kSessionEnd,
  kQueueRead,
  kQueueChange,
  kProjectRead,
  kProjectChange,
  kUsageRead,
  kTokenRead,
  kTokenCreate,
  kTokenRevoke,
  kAuditRead,
  kKeyRotate,
  kJoinKeyRead,
  kJoinKeyChange,
  kPoolJoin,  // whoever shows a join key, and nobody else
  kMetricsRead,
  kAccessRead,  // what oneself may do
};

inline constexpr std::array kVerbs = {
    Verb::kStatusRead,   Verb::kPoolChange,    Verb::kPoolBackup,  Verb::kServerRead,
    Verb::kServerChange, Verb::kServerRevoke,  Verb::kSessionRead, Verb::kSessionCreate,
    Verb::kSessionPlan,  Verb::kSessionEnd,    Verb::kQueueRead,   Verb::kQueueChange,
    Verb::kProjectRead,  Verb::kProjectChange, Verb::kUsageRead,   Verb::kTokenRead,
    Verb::kTokenCreate,  Verb::kTokenRevoke,   Verb::kAuditRead,   Verb::kKeyRotate,
    Verb::kJoinKeyRead,  Verb::kJoinKeyChange, Verb::kPoolJoin,    Verb::kMetricsRead,
    Verb::kAccessRead,
};

// With whose things. A higher one includes those below it.
enum class Reach : uint8_t { kNone, kOwn, kProject, kPool };

// "session.create"
const char* VerbName(Verb verb);
std::optional<Verb> ParseVerb(std::string_view name);
const char* ReachName(Reach reach);

// What a role may reach with a verb, before a scope narrows it.
Reach ReachOf(Role role, Verb verb);

}  // namespace farlane::pool
