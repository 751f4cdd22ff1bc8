// SPDX-License-Identifier: Apache-2.0
// The part of `farlane check` that asks a server.
#pragma once

#include <string>

#include "tools/farlane/finding.h"

namespace farlane::cli {

// `address` as FARLANE_SERVER spells it. Nothing here waits longer than `timeout_ns` in all.
void CheckServer(const std::string& address, uint64_t timeout_ns, Findings* findings);

}  // namespace farlane::cli
