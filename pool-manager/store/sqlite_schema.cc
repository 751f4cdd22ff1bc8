// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/sqlite_schema.h"

#include "pool-manager/store/state_store.h"

namespace farlane::pool {
namespace {

// Revisions start at 1, as etcd's do. Events hold what was written, so that watchers need no
// history of the keys.
constexpr char kTables[] = R"(
  CREATE TABLE counts (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
  INSERT INTO counts VALUES ('revision', 1), ('compacted', 0);
  CREATE TABLE keys (
    key BLOB PRIMARY KEY, value BLOB NOT NULL, create_revision INTEGER NOT NULL,
    mod_revision INTEGER NOT NULL, lease INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX keys_of_lease ON keys (lease) WHERE lease <> 0;
  CREATE TABLE events (
    revision INTEGER NOT NULL, sequence INTEGER NOT NULL, kind INTEGER NOT NULL, key BLOB NOT NULL,
    value BLOB NOT NULL, create_revision INTEGER NOT NULL, lease INTEGER NOT NULL,
    PRIMARY KEY (revision, sequence)) WITHOUT ROWID;
  CREATE TABLE leases (id INTEGER PRIMARY KEY, ttl_s INTEGER NOT NULL);
)";

Status MakeTables(const Database& database) {
  FARLANE_TRY(database.Run("BEGIN EXCLUSIVE"));
  FARLANE_TRY(database.Run(kTables));
  FARLANE_TRY(database.Run("PRAGMA application_id = " + std::to_string(kStoreApplicationId)));
  FARLANE_TRY(database.Run("PRAGMA user_version = " + std::to_string(kStoreSchema)));
  return database.Run("COMMIT");
}

}  // namespace

Status PrepareSchema(const Database& database) {
  FARLANE_ASSIGN(const int64_t tables, database.Number("SELECT count(*) FROM sqlite_schema"));
  FARLANE_ASSIGN(const int64_t application, database.Number("PRAGMA application_id"));
  if (tables != 0 || application != 0) {
    return CheckSchema(database);
  }
  const Status made = MakeTables(database);
  if (!made.ok()) {
    database.Rollback();
  }
  return Status(made).While("making the tables of a new store");
}

Status CheckSchema(const Database& database) {
  FARLANE_ASSIGN(const int64_t application, database.Number("PRAGMA application_id"));
  if (application != kStoreApplicationId) {
    return {store_error::kCorrupt, "the file is no store of a pool: its application id is " +
                                       std::to_string(application) + ", not " +
                                       std::to_string(kStoreApplicationId)};
  }
  FARLANE_ASSIGN(const int64_t schema, database.Number("PRAGMA user_version"));
  if (schema != kStoreSchema) {
    return {StatusCode::kUnsupported, "the store has schema " + std::to_string(schema) +
                                          "; this program knows " + std::to_string(kStoreSchema)};
  }
  return {};
}

}  // namespace farlane::pool
