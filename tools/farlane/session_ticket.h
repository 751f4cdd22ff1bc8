// SPDX-License-Identifier: Apache-2.0
// A session ticket is what makes all processes of one run share a session: the value of
// FARLANE_SESSION.
#pragma once

#include <string>

#include "protocol/base/result.h"

namespace farlane::cli {

// The one of the environment, so that a run inside a run is the same session; else a new one.
Result<std::string> SessionTicket();

}  // namespace farlane::cli
