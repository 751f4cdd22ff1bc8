// SPDX-License-Identifier: Apache-2.0
// PoolQuestion is one request to a pool's manager whose answer is printed: as a text for people, or
// as the manager's own JSON.
#pragma once

#include <string>

#include "protocol/base/result.h"

namespace farlane::cli {

struct PoolQuestion {
  std::string pool;  // as --pool says; empty: FARLANE_POOL
  std::string method = "GET";
  std::string path;
  std::string body{};
  std::string format{};  // "text" or "json"
  Result<std::string> (*text)(const std::string& json) = nullptr;
};

// 0, and the manager's answer; or what `farlane` ends with, and why was said.
int AskOnly(const PoolQuestion& question, std::string* json);

// What `farlane` ends with.
int AskAndPrint(const PoolQuestion& question);

}  // namespace farlane::cli
