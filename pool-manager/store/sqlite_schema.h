// SPDX-License-Identifier: Apache-2.0
// How a pool's store looks inside a SQLite file, and how a file is known to be one: SQLite's
// application_id says whose it is, its user_version which schema it has.
#pragma once

#include "pool-manager/store/sqlite_database.h"

namespace farlane::pool {

inline constexpr int64_t kStoreApplicationId = 0x4661726c;  // "Farl"
inline constexpr int64_t kStoreSchema = 1;

// Makes the tables of a new file, or looks whether an old one is a store of this schema.
Status PrepareSchema(const Database& database);
// kCorrupt: it is no store; kUnsupported: a store of another schema.
Status CheckSchema(const Database& database);

}  // namespace farlane::pool
