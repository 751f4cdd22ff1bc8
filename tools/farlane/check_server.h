// SPDX-License-Identifier: Apache-2.0
// The part of `farlane check` that asks a server.
#pragma once

#include <string>

#include "tools/farlane/finding.h"

namespace farlane::cli {

// `list` is one address or several, as FARLANE_SERVER spells them; the devices are numbered
// through, as a program sees them. For no server this waits longer than `timeout_ns` in all.
void CheckServers(const std::string& list, uint64_t timeout_ns, Findings* findings);

}  // namespace farlane::cli
