// SPDX-License-Identifier: Apache-2.0
// What a pool's manager has said of tokens, permissions and its audit log, for people.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/base/result.h"

namespace farlane::cli {

// Of the answers to GET /v1/tokens, /v1/join-keys, POST to both (the secret alone), /v1/whoami,
// /v1/permissions, /v1/audit and /v1/audit:verify.
Result<std::string> TokensTable(const std::string& json);
Result<std::string> JoinKeysTable(const std::string& json);
Result<std::string> SecretText(const std::string& json);
Result<std::string> WhoAmIText(const std::string& json);
Result<std::string> PermissionsTable(const std::string& json);
Result<std::string> AuditTable(const std::string& json);
Result<std::string> VerdictText(const std::string& json);

// Whether every permission of an answer is given; whether a log is intact.
bool IsAllowed(const std::string& json);
bool IsIntact(const std::string& json);

struct TokenWish {
  std::string user;
  bool service_account = false;
  std::vector<std::string> roles;
  std::string project;
  int64_t lifetime_seconds = 0;
  std::string note;
};

// The body of POST /v1/tokens.
std::string TokenBody(const TokenWish& wish);

// "90d", "12h", "30m", "45s"; nothing that is not such a time.
Result<int64_t> ParseLifetime(const std::string& text);

}  // namespace farlane::cli
