// SPDX-License-Identifier: Apache-2.0
// PoolRequest asks a pool's manager something, over HTTP.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/result.h"

namespace farlane::session {

struct PoolRequest {
  std::string method = "GET";
  std::string path;  // "/v1/…"
  std::string body;
  // Takes the body of a good answer piece by piece, for as long as it comes; false: no more of it.
  std::function<bool(std::string_view)> sink{};
};

struct PoolAnswer {
  long status = 0;  // of HTTP
  std::string body;
};

// Where the manager is and what it is shown.
// Thread: caller's.
struct PoolAddress {
  std::vector<std::string> managers;  // HOST:PORT, or https://HOST:PORT; one of them leads
  std::string token;                  // empty: none

  // FARLANE_POOL, and FARLANE_POOL_TOKEN or the first line of the file FARLANE_POOL_TOKEN_FILE.
  static Result<PoolAddress> FromEnvironment();
};

// An answer, whatever it says; fails where there is none, with kTimeout where the request may have
// been done nevertheless. Of several managers the one that leads
// answers, if any does.
Result<PoolAnswer> Ask(const PoolAddress& pool, const PoolRequest& request);

// What an answer means to a shell: 0 done, 1 failed, 2 the request is wrong, 3 there is no such
// thing, 4 not allowed, 5 a conflict, 6 not now, 7 no answer in time, 8 no room.
int ExitCodeOf(const PoolAnswer& answer);
int ExitCodeOf(const Status& failure);

// What is said of a request that was not done, for people.
std::string ProblemText(const PoolAnswer& answer);

}  // namespace farlane::session
