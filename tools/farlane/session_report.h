// SPDX-License-Identifier: Apache-2.0
// What a server has said of its sessions, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "protocol/control/session_service.h"

namespace farlane::cli {

// As AskService gives them: each session's come behind it, and the last is kEnd.
using SessionRecords = std::vector<control::ServiceRecord>;

std::string SessionsJson(const SessionRecords& records);
std::string SessionsText(const SessionRecords& records);
// What has happened between two answers.
std::string SessionsTop(const SessionRecords& before, const SessionRecords& now);

}  // namespace farlane::cli
