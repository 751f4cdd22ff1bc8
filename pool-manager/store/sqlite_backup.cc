// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/sqlite_backup.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include "pool-manager/store/sqlite_database.h"
#include "pool-manager/store/sqlite_schema.h"
#include "pool-manager/store/sqlite_tables.h"
#include "pool-manager/store/state_store.h"
#include "pool-manager/store/store_lock.h"
#include "protocol/base/fd.h"

namespace farlane::pool {
namespace {

// Every page in one go: with steps in between, a store that is written to would begin it anew again
// and again.
Status CopyPages(const Database& from, const Database& to) {
  sqlite3_backup* backup = sqlite3_backup_init(to.get(), "main", from.get(), "main");
  if (!backup) {
    return DatabaseError(to.get(), sqlite3_errcode(to.get()));
  }
  const int stepped = sqlite3_backup_step(backup, -1);
  const int finished = sqlite3_backup_finish(backup);
  if (stepped != SQLITE_DONE) {
    return DatabaseError(to.get(), stepped);
  }
  return finished == SQLITE_OK ? Status::Ok() : DatabaseError(to.get(), finished);
}

Status SyncPath(const std::string& path, int flags) {
  const Fd file(open(path.c_str(), flags | O_CLOEXEC));
  if (!file.valid() || fsync(file.get()) != 0) {
    return Status::FromErrno(errno == ENOSPC ? store_error::kNoSpace : store_error::kRetry,
                             "writing " + path + " to the disk", errno);
  }
  return {};
}

Status CopyToNew(const StoreCopy& copy, const std::string& part) {
  FARLANE_ASSIGN(const Database from,
                 Database::Open(copy.from, Database::Access::kRead, copy.from_vfs));
  FARLANE_TRY(CheckSchema(from));
  FARLANE_ASSIGN(const Database to, Database::Open(part, Database::Access::kCreate, ""));
  FARLANE_TRY(CopyPages(from, to));
  // A backup is one file, with no log beside it.
  FARLANE_ASSIGN(const std::string mode, to.Text("PRAGMA journal_mode = DELETE"));
  if (mode != "delete") {
    return {StatusCode::kInternal, "the copy's journal mode is " + mode + ", not delete"};
  }
  return {};
}

void RemovePart(const std::string& part) {
  for (const char* end : {"", "-wal", "-shm", "-journal"}) {
    unlink((part + end).c_str());
  }
}

Status CheckWhole(const Database& database) {
  FARLANE_TRY(CheckSchema(database));
  FARLANE_ASSIGN(const std::string found, database.Text("PRAGMA integrity_check(1)"));
  return found == "ok" ? Status::Ok()
                       : Status(store_error::kCorrupt, "the file is damaged: " + found);
}

// The copied content goes on at a revision that nobody has seen.
Status RaiseRevision(Database database, int64_t gap) {
  FARLANE_ASSIGN(SqliteTables tables, SqliteTables::Over(std::move(database)));
  FARLANE_TRY(tables.database().Run("BEGIN IMMEDIATE"));
  FARLANE_ASSIGN(SqliteTables::Counts counts, tables.ReadCounts());
  counts.revision += gap;
  counts.compacted = counts.revision;
  FARLANE_TRY(tables.DropEventsBelow(counts.revision));
  FARLANE_TRY(tables.WriteCounts(counts));
  return tables.database().Run("COMMIT");
}

}  // namespace

Status CopyStore(const StoreCopy& copy) {
  const std::string part = copy.to + ".part";
  RemovePart(part);
  Status copied = CopyToNew(copy, part);
  if (copied.ok()) {
    copied = SyncPath(part, O_RDONLY);
  }
  if (copied.ok() && rename(part.c_str(), copy.to.c_str()) != 0) {
    copied = Status::FromErrno(store_error::kRetry, "renaming " + part, errno);
  }
  if (!copied.ok()) {
    RemovePart(part);
    return copied;
  }
  const std::string folder = std::filesystem::path(copy.to).parent_path();
  return SyncPath(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY);
}

Status RestoreStore(const StoreRestore& restore) {
  const std::string doing = "restoring " + restore.store + " from " + restore.backup;
  // What goes into the store's file is a copy whose revision is already raised, so that the store
  // changes once.
  const std::string raised = restore.store + ".restore";
  RemovePart(raised);
  FARLANE_ASSIGN(const StoreLock lock, StoreLock::Take(restore.store));
  const auto run = [&]() -> Status {
    FARLANE_TRY(CopyStore({.from = restore.backup, .to = raised, .from_vfs = {}}));
    FARLANE_ASSIGN(Database copy, Database::Open(raised, Database::Access::kWrite, ""));
    FARLANE_TRY(CheckWhole(copy));
    FARLANE_TRY(RaiseRevision(std::move(copy), restore.revision_gap));
    FARLANE_ASSIGN(const Database from, Database::Open(raised, Database::Access::kRead, ""));
    FARLANE_ASSIGN(const Database to, Database::Open(restore.store, Database::Access::kCreate, ""));
    FARLANE_TRY(to.Run("PRAGMA synchronous = FULL"));
    return CopyPages(from, to);
  };
  Status status = run();
  RemovePart(raised);
  return std::move(status).While(doing);
}

}  // namespace farlane::pool
