// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/sqlite_store.h"

#include <future>
#include <random>
#include <utility>

#include "pool-manager/store/sqlite_backup.h"
#include "pool-manager/store/sqlite_schema.h"
#include "pool-manager/store/sqlite_snapshot.h"
#include "pool-manager/store/sqlite_watch.h"
#include "protocol/base/clock.h"

namespace farlane::pool {
namespace {

class TxnJob : public SqliteJob {
 public:
  TxnJob(Transaction transaction, StateStore::Done done, Guarded<LeaseTable>& leases)
      : transaction_(std::move(transaction)), done_(std::move(done)), leases_(leases) {
    for (const Operation& operation : transaction_.operations) {
      bytes_ += operation.key.size() + operation.value.size();
    }
  }

  Status Apply(SqliteBatch& batch) override {
    FARLANE_ASSIGN(const bool holds, batch.Holds(transaction_.compares));
    result_ = {.committed = holds, .revision = batch.counts().revision};
    if (!holds) {
      return {};
    }
    verdict_ = CheckLeases(batch);
    if (!verdict_.ok()) {
      return {};
    }
    for (const Operation& operation : transaction_.operations) {
      FARLANE_TRY(operation.kind == Operation::Kind::kPut ? batch.Put(operation)
                                                          : batch.Delete(operation.key));
    }
    result_.revision = batch.EndChange();
    return {};
  }

  void Finish(const Status& fate) override {
    const Status& status = fate.ok() ? verdict_ : fate;
    done_(status.ok() ? Result<TxnResult>(result_) : Result<TxnResult>(status));
  }

  size_t bytes() const override { return bytes_; }

 private:
  Status CheckLeases(const SqliteBatch& batch) const {
    for (const Operation& operation : transaction_.operations) {
      const int64_t lease = operation.lease;
      if (operation.kind == Operation::Kind::kPut && lease != 0 &&
          (batch.HasEnded(lease) ||
           !leases_.With([lease](const LeaseTable& leases) { return leases.Lives(lease); }))) {
        return {store_error::kLeaseGone, "the key '" + operation.key + "' is bound to lease " +
                                             std::to_string(lease) + ", which is over"};
      }
    }
    return {};
  }

  const Transaction transaction_;
  const StateStore::Done done_;
  Guarded<LeaseTable>& leases_;
  size_t bytes_ = 0;
  Status verdict_;
  TxnResult result_;
};

// A job whose caller waits for it.
class WaitedJob : public SqliteJob {
 public:
  using Apply_ = std::function<Status(SqliteBatch&)>;
  using Finish_ = std::function<void(const Status&)>;

  WaitedJob(Apply_ apply, Finish_ finish) : apply_(std::move(apply)), finish_(std::move(finish)) {}

  Status Apply(SqliteBatch& batch) override { return apply_(batch); }

  void Finish(const Status& fate) override { finish_(fate); }

 private:
  const Apply_ apply_;
  const Finish_ finish_;
};

// Runs `apply` within a batch, and `done`, still in the writer's thread, when it is committed.
Status Wait(SqliteWriter& writer, WaitedJob::Apply_ apply, const std::function<void()>& done) {
  std::promise<Status> promise;
  std::future<Status> future = promise.get_future();
  writer.Queue(std::make_unique<WaitedJob>(std::move(apply), [&](const Status& fate) {
    if (fate.ok()) {
      done();
    }
    promise.set_value(fate);
  }));
  return future.get();
}

Status LeaseGone(int64_t lease) {
  return {store_error::kLeaseGone, "lease " + std::to_string(lease) + " is over"};
}

// Never one that was given out before, also after a start: who held it must not hold another's.
int64_t NewLeaseId() {
  std::random_device random;
  const uint64_t bits = (static_cast<uint64_t>(random()) << 32) | random();
  return static_cast<int64_t>(bits >> 1) | 1;
}

Result<Database> OpenWriter(const SqliteStore::Options& options) {
  FARLANE_ASSIGN(Database database,
                 Database::Open(options.path, Database::Access::kCreate, options.vfs));
  FARLANE_ASSIGN(const std::string mode, database.Text("PRAGMA journal_mode = WAL"));
  if (mode != "wal") {
    return Status(StatusCode::kUnsupported, "the file system of " + options.path +
                                                " allows no write-ahead log (journal mode " + mode +
                                                "); keep the store on a local disk");
  }
  FARLANE_TRY(database.Run("PRAGMA synchronous = FULL"));
  // The log gives room back after a burst.
  FARLANE_TRY(database.Run("PRAGMA journal_size_limit = 67108864"));
  FARLANE_TRY(PrepareSchema(database));
  return database;
}

}  // namespace

Result<std::unique_ptr<SqliteStore>> SqliteStore::Open(const Options& options) {
  FARLANE_ASSIGN(StoreLock lock, StoreLock::Take(options.path));
  FARLANE_ASSIGN(Database write, OpenWriter(options));
  FARLANE_ASSIGN(Database read, Database::Open(options.path, Database::Access::kRead, options.vfs));
  FARLANE_ASSIGN(SqliteTables reader, SqliteTables::Over(std::move(read)));
  FARLANE_ASSIGN(SqliteTables tables, SqliteTables::Over(std::move(write)));
  FARLANE_ASSIGN(const std::vector<Lease> leases, tables.Leases());

  std::unique_ptr<SqliteStore> store(new SqliteStore(options, std::move(lock), std::move(reader)));
  store->leases_.With([&leases](LeaseTable& table) {
    for (const Lease& lease : leases) {
      table.Add(lease.id, lease.ttl_s, NowNs());
    }
  });
  FARLANE_ASSIGN(store->writer_, SqliteWriter::Start(std::move(tables),
                                                     {.events_max = options.events_max,
                                                      .bytes_max = options.events_bytes_max},
                                                     store->leases_, store->signal_));
  return store;
}

void SqliteStore::Submit(Transaction transaction, Done done) {
  if (Status wrong = CheckTransaction(transaction); !wrong.ok()) {
    done(std::move(wrong));
    return;
  }
  writer_->Queue(std::make_unique<TxnJob>(std::move(transaction), std::move(done), leases_));
}

Result<std::optional<KeyValue>> SqliteStore::Get(const std::string& key) {
  return reader_.With([&key](SqliteTables& tables) { return tables.Find(key); });
}

Result<Page> SqliteStore::Range(const RangeRequest& request) {
  return reader_.With([&request](SqliteTables& tables) -> Result<Page> {
    FARLANE_ASSIGN(const SqliteSnapshot snapshot, SqliteSnapshot::Begin(tables));
    FARLANE_ASSIGN(Page page, tables.ReadPage(request));
    page.revision = snapshot.counts().revision;
    return page;
  });
}

Result<std::unique_ptr<Watch>> SqliteStore::StartWatch(const std::string& prefix,
                                                       int64_t from_revision) {
  const int64_t from = from_revision > 0 ? from_revision : signal_.revision() + 1;
  return std::unique_ptr<Watch>(std::make_unique<SqliteWatch>(prefix, from, reader_, signal_));
}

Result<Lease> SqliteStore::GrantLease(int64_t ttl_s) {
  FARLANE_TRY(CheckLeaseSeconds(ttl_s));
  const Lease lease = {.id = NewLeaseId(), .ttl_s = ttl_s};
  FARLANE_TRY(Wait(
      *writer_, [&lease](SqliteBatch& batch) { return batch.AddLease(lease); },
      [this, &lease] {
        leases_.With([&lease](LeaseTable& leases) { leases.Add(lease.id, lease.ttl_s, NowNs()); });
      }));
  return lease;
}

Result<int64_t> SqliteStore::KeepAlive(int64_t lease) {
  const std::optional<int64_t> ttl_s =
      leases_.With([lease](LeaseTable& leases) { return leases.Renew(lease, NowNs()); });
  return ttl_s ? Result<int64_t>(*ttl_s) : Result<int64_t>(LeaseGone(lease));
}

Status SqliteStore::RevokeLease(int64_t lease) {
  bool gone = false;
  FARLANE_TRY(Wait(
      *writer_,
      [&](SqliteBatch& batch) {
        gone = batch.HasEnded(lease) ||
               !leases_.With([lease](LeaseTable& leases) { return leases.Lives(lease); });
        return gone ? Status::Ok() : batch.EndLease(lease);
      },
      [&] {
        if (!gone) {
          leases_.With([lease](LeaseTable& leases) { leases.Drop(lease); });
        }
      }));
  return gone ? LeaseGone(lease) : Status::Ok();
}

Status SqliteStore::Compact(int64_t revision) {
  Status verdict;
  FARLANE_TRY(Wait(
      *writer_,
      [&](SqliteBatch& batch) -> Status {
        const SqliteTables::Counts& counts = batch.counts();
        if (revision > counts.revision || revision < 1) {
          verdict = {StatusCode::kInvalidArgument, "revision " + std::to_string(revision) +
                                                       " cannot be compacted to; the store is at " +
                                                       std::to_string(counts.revision)};
        } else if (revision <= counts.compacted) {
          verdict = {store_error::kCompacted, "the store was compacted to revision " +
                                                  std::to_string(counts.compacted) + " already"};
        }
        return verdict.ok() ? batch.Compact(revision) : Status::Ok();
      },
      [] {}));
  return verdict;
}

Status SqliteStore::BackUpTo(const std::string& path) const {
  return CopyStore({.from = options_.path, .to = path, .from_vfs = options_.vfs})
      .While("backing up the store " + options_.path);
}

}  // namespace farlane::pool
