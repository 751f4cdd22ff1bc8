// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/sqlite_database.h"

#include <cerrno>

#include <fcntl.h>

#include "pool-manager/store/state_store.h"
#include "protocol/base/fd.h"

namespace farlane::pool {
namespace {

// How long a writer waits for a person who looks into the file with another program.
constexpr int kBusyMs = 5000;

StatusCode Meaning(sqlite3* database, int code) {
  const int error_number = database ? sqlite3_system_errno(database) : 0;
  switch (code & 0xff) {
    case SQLITE_FULL:
      return store_error::kNoSpace;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return store_error::kCorrupt;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      return error_number == ENOSPC || error_number == EDQUOT ? store_error::kNoSpace
                                                              : store_error::kRetry;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
    case SQLITE_PERM:
    case SQLITE_READONLY:
      return store_error::kRetry;
    default:
      return StatusCode::kInternal;
  }
}

}  // namespace

Status DatabaseError(sqlite3* database, int code) {
  std::string sentence = std::string("SQLite: ") + sqlite3_errstr(code);
  if (database) {
    const char* file = sqlite3_db_filename(database, "main");
    sentence = std::string("SQLite on ") + (file && *file ? file : "a store") + ": " +
               sqlite3_errmsg(database);
  }
  return {Meaning(database, code), sentence + " (code " + std::to_string(code) + ")"};
}

Result<Database> Database::Open(const std::string& path, Access access, const std::string& vfs) {
  if (access == Access::kCreate) {
    // Sessions are nobody else's business. SQLite gives its other files the same rights.
    const Fd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file.valid()) {
      return Status::FromErrno(errno == ENOSPC ? store_error::kNoSpace : store_error::kRetry,
                               "opening the store " + path, errno);
    }
  }
  const int flags = (access == Access::kRead ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, flags, vfs.empty() ? nullptr : vfs.c_str());
  Database database;
  database.database_.reset(raw);
  if (code != SQLITE_OK) {
    return DatabaseError(raw, code).While("opening " + path);
  }
  sqlite3_busy_timeout(raw, kBusyMs);
  return database;
}

Result<Statement> Database::Prepare(const std::string& sql) const {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(get(), sql.c_str(), -1, &statement, nullptr);
  if (code != SQLITE_OK) {
    return DatabaseError(get(), code).While("preparing: " + sql);
  }
  return Statement(statement);
}

Status Database::Run(const std::string& sql) const {
  const int code = sqlite3_exec(get(), sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? Status::Ok() : DatabaseError(get(), code).While("running: " + sql);
}

Result<int64_t> Database::Number(const std::string& sql) const {
  FARLANE_ASSIGN(const Statement statement, Prepare(sql));
  Query query(statement);
  FARLANE_ASSIGN(const bool row, query.Next());
  if (!row) {
    return Status(store_error::kCorrupt, "the store gives no number for: " + sql);
  }
  return query.Number(0);
}

Result<std::string> Database::Text(const std::string& sql) const {
  FARLANE_ASSIGN(const Statement statement, Prepare(sql));
  Query query(statement);
  FARLANE_ASSIGN(const bool row, query.Next());
  return row ? query.Bytes(0) : std::string();
}

void Database::Rollback() const {
  if (!sqlite3_get_autocommit(get())) {
    // A transaction that cannot be rolled back was: SQLite's own rollback came first.
    (void)sqlite3_exec(get(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

Result<bool> Query::Next() {
  const int code = failure_ != SQLITE_OK ? failure_ : sqlite3_step(statement_);
  if (code == SQLITE_ROW || code == SQLITE_DONE) {
    return code == SQLITE_ROW;
  }
  return DatabaseError(sqlite3_db_handle(statement_), code);
}

Status Query::Finish() {
  FARLANE_ASSIGN(const bool row, Next());
  return row ? Status(StatusCode::kInternal, "a statement without rows gave one") : Status::Ok();
}

std::string Query::Bytes(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  const int count = sqlite3_column_bytes(statement_, column);
  return bytes ? std::string(static_cast<const char*>(bytes), static_cast<size_t>(count))
               : std::string();
}

void Query::Bind(int64_t value) {
  const int code = sqlite3_bind_int64(statement_, ++bound_, value);
  failure_ = failure_ == SQLITE_OK ? code : failure_;
}

void Query::Bind(std::string_view bytes) {
  // An empty blob, not NULL, whatever the pointer.
  const int code = sqlite3_bind_blob64(statement_, ++bound_, bytes.empty() ? "" : bytes.data(),
                                       bytes.size(), SQLITE_TRANSIENT);
  failure_ = failure_ == SQLITE_OK ? code : failure_;
}

}  // namespace farlane::pool
