// SPDX-License-Identifier: Apache-2.0
// Database is a connection to a SQLite file, Statement one prepared sentence of it, Query one run
// of a sentence. Every failure becomes a Status that says what it means for a store.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <sqlite3.h>

#include "protocol/base/result.h"

namespace farlane::pool {

// Thread: caller's.
class Statement {
 public:
  Statement() = default;

  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

  sqlite3_stmt* get() const { return statement_.get(); }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// Thread: caller's.
class Database {
 public:
  enum class Access : uint8_t { kCreate, kWrite, kRead };

  // `vfs`: SQLite's name of the layer to the file system; empty: the usual one.
  static Result<Database> Open(const std::string& path, Access access, const std::string& vfs);

  Result<Statement> Prepare(const std::string& sql) const;
  // For sentences that are run once and give nothing.
  Status Run(const std::string& sql) const;
  // The number in the first field of the first row.
  Result<int64_t> Number(const std::string& sql) const;
  // The text there.
  Result<std::string> Text(const std::string& sql) const;

  // Ends a transaction that may or may not have ended by itself.
  void Rollback() const;

  sqlite3* get() const { return database_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close(database); }
  };

  std::unique_ptr<sqlite3, Close> database_;
};

// What a result code of SQLite means, in the words of the store.
Status DatabaseError(sqlite3* database, int code);

// One run of a statement. Bytes are bound as blobs.
// Thread: caller's.
class Query {
 public:
  template <typename... Values>
  explicit Query(const Statement& statement, const Values&... values)
      : statement_(statement.get()) {
    (Bind(values), ...);
  }

  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  ~Query() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }

  // Whether there is a row, or another one.
  Result<bool> Next();
  // For statements that give no rows.
  Status Finish();

  int64_t Number(int column) const { return sqlite3_column_int64(statement_, column); }

  std::string Bytes(int column) const;

 private:
  void Bind(int64_t value);
  void Bind(std::string_view bytes);

  void Bind(const std::string& bytes) { Bind(std::string_view(bytes)); }

  sqlite3_stmt* statement_;
  int bound_ = 0;
  int failure_ = SQLITE_OK;
};

}  // namespace farlane::pool
