// SPDX-License-Identifier: Apache-2.0
// Watching what a pool has: a JSON object a line on the standard output, for as long as anybody
// reads them.
#pragma once

#include <string>

#include "tools/session/pool_request.h"

namespace farlane::session {

// `path` is of a list: "/v1/sessions". Where the connection is lost or another manager leads, it
// goes on from where it was, or begins anew: then what there is comes again as ADDED. What it ends
// with, as ExitCodeOf says: that the pool does not answer any more, or does not let it.
int WatchPool(const PoolAddress& pool, const std::string& path);

}  // namespace farlane::session
