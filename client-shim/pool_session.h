// SPDX-License-Identifier: Apache-2.0
// Where only FARLANE_POOL is set, a program of its own asks the pool's manager for a session: it
// speaks HTTP, and this library, which lives in other people's processes, does not.
#pragma once

#include "client-shim/config.h"
#include "protocol/base/result.h"

namespace farlane::shim {

// Puts server, token and session into the config. Waits for as long as FARLANE_QUEUE_TIMEOUT says;
// that program says on stderr why there is none.
Status AskPool(Config* config);

}  // namespace farlane::shim
