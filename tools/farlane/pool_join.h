// SPDX-License-Identifier: Apache-2.0
// How a pool begins and who joins it: its keys are made, newcomers get a key each, and join by it.
// All return what `farlane` ends with.
#pragma once

#include <string>

#include "tools/farlane/installation.h"

namespace farlane::cli {

struct PoolInitWish {
  std::string folder;  // empty: the usual one
  std::string name;
  std::string seal_key_file;
};

// Makes what a pool's first manager needs, before it is started.
int InitPool(const Installation& installation, const PoolInitWish& wish);

struct PoolJoinWish {
  std::string pool;
  std::string pin;  // of the pool's authority; empty: as the environment says
  std::string key_file;
  std::string folder;
  std::string seal_key_file;
};

// Makes this machine a server of the pool, or one of its managers, by what the key is for.
int JoinPool(const Installation& installation, const PoolJoinWish& wish);

struct JoinKeyWish {
  std::string action;  // "create", "list", "revoke"
  std::string id;      // of revoke
  std::string kind;    // of create: "server" or "manager"
  std::string expires;
  std::string note;
  std::string pool;
  std::string format;
};

int ActOnJoinKeys(const JoinKeyWish& wish);

}  // namespace farlane::cli
