// SPDX-License-Identifier: Apache-2.0
// SqliteStore is the pool's store in one file of this machine. What it has acknowledged survives
// kill -9 and a power cut (write-ahead log, synchronous=FULL). One process at a time has the file.
#pragma once

#include <memory>
#include <string>

#include "pool-manager/store/lease_table.h"
#include "pool-manager/store/revision_signal.h"
#include "pool-manager/store/sqlite_writer.h"
#include "pool-manager/store/state_store.h"
#include "pool-manager/store/store_lock.h"

namespace farlane::pool {

// Leases count the time that this process has run: after a start, each has its whole time again.
// Thread: any.
class SqliteStore : public StateStore {
 public:
  struct Options {
    std::string path;
    // History for watchers that come back; the oldest goes first.
    int64_t events_max = 100'000;
    int64_t events_bytes_max = 256ll << 20;
    std::string vfs;  // SQLite's layer to the file system; empty: the usual one
  };

  // kFenced: another process has the file.
  static Result<std::unique_ptr<SqliteStore>> Open(const Options& options);

  void Submit(Transaction transaction, Done done) override;
  Result<std::optional<KeyValue>> Get(const std::string& key) override;
  Result<Page> Range(const RangeRequest& request) override;
  Result<std::unique_ptr<Watch>> StartWatch(const std::string& prefix,
                                            int64_t from_revision) override;
  Result<Lease> GrantLease(int64_t ttl_s) override;
  Result<int64_t> KeepAlive(int64_t lease) override;
  Status RevokeLease(int64_t lease) override;
  Status Compact(int64_t revision) override;

  // Copies the store as it is now into a file, which is there wholly or not at all. Changes go on
  // meanwhile.
  Status BackUpTo(const std::string& path) const;

 private:
  SqliteStore(Options options, StoreLock lock, SqliteTables reader)
      : options_(std::move(options)), lock_(std::move(lock)), reader_(std::move(reader)) {}

  const Options options_;
  const StoreLock lock_;
  Guarded<LeaseTable> leases_;
  RevisionSignal signal_;
  Guarded<SqliteTables> reader_;
  std::unique_ptr<SqliteWriter> writer_;  // last: it uses the others
};

}  // namespace farlane::pool
