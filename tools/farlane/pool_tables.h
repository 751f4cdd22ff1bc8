// SPDX-License-Identifier: Apache-2.0
// What a pool's manager has said of the pool, as a text for people. Programs are given its own
// JSON.
#pragma once

#include <string>

#include "protocol/base/result.h"

namespace farlane::cli {

// Of one who waits (GET /v1/queue/ID): how he stands, and why.
Result<std::string> QueueEntryText(const std::string& text);
// Of the answer to GET /v1/status.
Result<std::string> StatusText(const std::string& json);

// How many of the pool's servers are ready.
Result<uint64_t> ReadyServers(const std::string& json);

}  // namespace farlane::cli
