// SPDX-License-Identifier: Apache-2.0
// What a pool's manager has said, as tables for people. Programs are given its own JSON.
#pragma once

#include <string>

#include "protocol/base/result.h"

namespace farlane::cli {

// Of the answers to GET /v1/servers, /v1/sessions and /v1/status.
Result<std::string> ProjectsTable(const std::string& text);
Result<std::string> QueueTable(const std::string& text);
// Of one who waits: how he stands, and why.
Result<std::string> QueueEntryText(const std::string& text);
Result<std::string> ServersTable(const std::string& json);
Result<std::string> SessionsTable(const std::string& json);
Result<std::string> StatusText(const std::string& json);

// How many of the pool's servers are ready.
Result<uint64_t> ReadyServers(const std::string& json);

}  // namespace farlane::cli
