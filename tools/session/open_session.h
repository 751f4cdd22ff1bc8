// SPDX-License-Identifier: Apache-2.0
// Asking a pool for a session: the key is made here and never leaves this machine, the manager gets
// its digest, and a token comes back that opens the session for whoever has the key.
#pragma once

#include <string>

#include "protocol/base/result.h"
#include "tools/session/pool_request.h"

namespace farlane::session {

struct OpenedSession {
  std::string id;
  std::string settings;  // lines "NAME=VALUE" for the program's environment
};

// What is asked for stands in FARLANE_MEM, FARLANE_SHARE and their kin. While there is no room it
// asks again, for FARLANE_QUEUE_TIMEOUT seconds, and says so once on stderr. `exit_code`: of a
// failure.
Result<OpenedSession> OpenSession(const PoolAddress& pool, int* exit_code);

}  // namespace farlane::session
