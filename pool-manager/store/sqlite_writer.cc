// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/sqlite_writer.h"

#include <chrono>
#include <iterator>
#include <utility>

#include "protocol/base/clock.h"
#include "protocol/base/log.h"

namespace farlane::pool {
namespace {

// Ends a lease whose time is over.
class ExpiryJob : public SqliteJob {
 public:
  ExpiryJob(int64_t lease, Guarded<LeaseTable>& leases) : lease_(lease), leases_(leases) {}

  Status Apply(SqliteBatch& batch) override {
    return batch.HasEnded(lease_) ? Status::Ok() : batch.EndLease(lease_);
  }

  void Finish(const Status& fate) override {
    if (fate.ok()) {
      leases_.With([this](LeaseTable& leases) { leases.Drop(lease_); });
    } else {
      LogWarn("lease %lld is over and its keys cannot be deleted yet: %s",
              static_cast<long long>(lease_), fate.message().c_str());
    }
  }

 private:
  const int64_t lease_;
  Guarded<LeaseTable>& leases_;
};

}  // namespace

Result<std::unique_ptr<SqliteWriter>> SqliteWriter::Start(SqliteTables tables,
                                                          const SqliteBatch::Retention& retention,
                                                          Guarded<LeaseTable>& leases,
                                                          RevisionSignal& signal) {
  std::unique_ptr<SqliteWriter> writer(
      new SqliteWriter(std::move(tables), retention, leases, signal));
  FARLANE_ASSIGN(writer->counts_, writer->tables_.ReadCounts());
  FARLANE_ASSIGN(writer->events_, writer->tables_.SizeOfEvents());
  signal.Publish(writer->counts_.revision);
  writer->thread_ = std::thread([self = writer.get()] { self->Loop(); });
  return writer;
}

SqliteWriter::~SqliteWriter() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
  }
  work_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void SqliteWriter::Queue(std::unique_ptr<SqliteJob> job) {
  bool taken = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (queued_.size() < kQueuedMax) {
      queued_.push_back(std::move(job));
      taken = true;
    }
  }
  if (taken) {
    work_.notify_one();
    return;
  }
  job->Finish({store_error::kRetry, "the store has " + std::to_string(kQueuedMax) +
                                        " changes to write already; try again"});
}

void SqliteWriter::Loop() {
  while (std::optional<Jobs> jobs = Await()) {
    const std::vector<int64_t> expired =
        leases_.With([](LeaseTable& leases) { return leases.TakeExpired(NowNs()); });
    for (const int64_t lease : expired) {
      jobs->push_back(std::make_unique<ExpiryJob>(lease, leases_));
    }
    if (!jobs->empty()) {
      Commit(std::move(*jobs));
    }
  }
}

std::optional<SqliteWriter::Jobs> SqliteWriter::Await() {
  const std::optional<uint64_t> due =
      leases_.With([](LeaseTable& leases) { return leases.NextNs(); });
  std::unique_lock<std::mutex> lock(mutex_);
  const auto is_due = [this] { return ending_ || !queued_.empty(); };
  if (due) {
    const uint64_t now = NowNs();
    work_.wait_for(lock, std::chrono::nanoseconds(*due > now ? *due - now : 0), is_due);
  } else {
    work_.wait(lock, is_due);
  }
  if (ending_ && queued_.empty()) {
    return std::nullopt;
  }
  size_t count = 0;
  for (size_t bytes = 0; count < queued_.size() && count < kBatchJobsMax && bytes < kBatchBytesMax;
       ++count) {
    bytes += queued_[count]->bytes();
  }
  const auto end = queued_.begin() + static_cast<std::ptrdiff_t>(count);
  Jobs jobs(std::make_move_iterator(queued_.begin()), std::make_move_iterator(end));
  queued_.erase(queued_.begin(), end);
  return jobs;
}

void SqliteWriter::Commit(Jobs jobs) {
  SqliteBatch batch(tables_, counts_, events_);
  const Status fate = stopped_.ok() ? Write(jobs, batch) : stopped_;
  if (fate.ok()) {
    counts_ = batch.counts();
    events_ = batch.events();
    signal_.Publish(counts_.revision);
  } else {
    tables_.database().Rollback();
  }
  for (const std::unique_ptr<SqliteJob>& job : jobs) {
    job->Finish(fate);
  }
}

Status SqliteWriter::Write(Jobs& jobs, SqliteBatch& batch) {
  FARLANE_TRY(tables_.database().Run("BEGIN IMMEDIATE"));
  for (const std::unique_ptr<SqliteJob>& job : jobs) {
    FARLANE_TRY(job->Apply(batch));
  }
  FARLANE_TRY(batch.Retain(retention_));
  FARLANE_TRY(batch.Close());
  Status committed = tables_.database().Run("COMMIT");
  return committed.ok() ? committed : JudgeFailedCommit(std::move(committed));
}

Status SqliteWriter::JudgeFailedCommit(Status failure) {
  const int code = sqlite3_errcode(tables_.database().get()) & 0xff;
  // The commit's last bytes did not fit, or it never began: it is not there.
  if (code == SQLITE_FULL || code == SQLITE_BUSY) {
    return failure;
  }
  // The bytes may be on the disk or not, and a second try would not tell: after a failed fsync the
  // system forgets what it had not written. Opening the file anew does tell.
  stopped_ = Status(store_error::kRetry,
                    "the store takes no changes since a commit failed; the process must be "
                    "started anew (" +
                        failure.message() + ")");
  LogError("%s", stopped_.message().c_str());
  return {store_error::kUnknown, "whether this was written is not known: " + failure.message()};
}

}  // namespace farlane::pool
