// SPDX-License-Identifier: Apache-2.0
// SqliteSnapshot makes several reads see one state of the store.
#pragma once

#include "pool-manager/store/sqlite_tables.h"

namespace farlane::pool {

// Thread: caller's.
class SqliteSnapshot {
 public:
  static Result<SqliteSnapshot> Begin(SqliteTables& tables) {
    FARLANE_TRY(tables.database().Run("BEGIN"));
    SqliteSnapshot snapshot(tables);
    FARLANE_ASSIGN(snapshot.counts_, tables.ReadCounts());
    return snapshot;
  }

  SqliteSnapshot(SqliteSnapshot&& other) noexcept
      : tables_(std::exchange(other.tables_, nullptr)), counts_(other.counts_) {}

  SqliteSnapshot& operator=(SqliteSnapshot&&) = delete;

  ~SqliteSnapshot() {
    if (tables_) {
      tables_->database().Rollback();
    }
  }

  const SqliteTables::Counts& counts() const { return counts_; }

 private:
  explicit SqliteSnapshot(SqliteTables& tables) : tables_(&tables) {}

  SqliteTables* tables_;
  SqliteTables::Counts counts_;
};

}  // namespace farlane::pool
