// SPDX-License-Identifier: Apache-2.0
// Joining a pool by a join key: what a new server, or a manager that is to stand by, needs is asked
// for and kept in a folder of its own.
#pragma once

#include <string>

#include "protocol/base/result.h"
#include "tools/session/pool_request.h"

namespace farlane::session {

struct JoinWish {
  std::string key_file;       // the join key is on its first line
  std::string folder;         // is made, and must not belong to anybody yet
  std::string seal_key_file;  // of a manager: where its seal key is to lie; empty: in the folder
};

// What has become of it, for people. `code`: what the program ends with, if it fails. It can be
// asked again after a failure: as long as the folder has the request, the pool answers the same.
Result<std::string> JoinPool(const PoolAddress& pool, const JoinWish& wish, int* code);

}  // namespace farlane::session
