// SPDX-License-Identifier: Apache-2.0
// SqliteWriter is the one thread that changes a SqliteStore. Whatever was queued while the last
// commit went to the disk is committed next, all together: the disk is waited for once, each
// caller gets its own answer. It also ends leases whose time is over.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "pool-manager/store/lease_table.h"
#include "pool-manager/store/revision_signal.h"
#include "pool-manager/store/sqlite_batch.h"
#include "protocol/base/guarded.h"

namespace farlane::pool {

// Something that a caller wants of the writer.
class SqliteJob {
 public:
  virtual ~SqliteJob() = default;

  // Within the batch. Fails when the database does, and the whole batch with it. What is wrong with
  // the job only, it finds before it writes anything, and keeps for Finish.
  virtual Status Apply(SqliteBatch& batch) = 0;
  // After the batch; its fate.
  virtual void Finish(const Status& fate) = 0;

  // How much it adds to a batch.
  virtual size_t bytes() const { return 0; }
};

// A mutex of its own, not Guarded: the thread waits for the condition.
// Thread: any.
class SqliteWriter {
 public:
  // Above this jobs are refused: the disk is slower than those who ask.
  static constexpr size_t kQueuedMax = 65'536;
  // What is committed at once; more would make the first of them wait.
  static constexpr size_t kBatchJobsMax = 1024;
  static constexpr size_t kBatchBytesMax = 8u << 20;

  // Borrows the leases and the signal.
  static Result<std::unique_ptr<SqliteWriter>> Start(SqliteTables tables,
                                                     const SqliteBatch::Retention& retention,
                                                     Guarded<LeaseTable>& leases,
                                                     RevisionSignal& signal);
  SqliteWriter(const SqliteWriter&) = delete;
  SqliteWriter& operator=(const SqliteWriter&) = delete;
  // Does what is queued, then ends.
  ~SqliteWriter();

  void Queue(std::unique_ptr<SqliteJob> job);

 private:
  using Jobs = std::vector<std::unique_ptr<SqliteJob>>;

  SqliteWriter(SqliteTables tables,
               const SqliteBatch::Retention& retention,
               Guarded<LeaseTable>& leases,
               RevisionSignal& signal)
      : tables_(std::move(tables)), retention_(retention), leases_(leases), signal_(signal) {}

  void Loop();
  // Jobs, or none when a lease is due; nothing at the end.
  std::optional<Jobs> Await();
  void Commit(Jobs jobs);
  Status Write(Jobs& jobs, SqliteBatch& batch);
  // Whether a batch whose commit failed may be there nevertheless.
  Status JudgeFailedCommit(Status failure);

  // The thread's alone.
  SqliteTables tables_;
  const SqliteBatch::Retention retention_;
  SqliteTables::Counts counts_;
  SqliteTables::EventsSize events_;
  Status stopped_;  // why nothing can be written any more

  Guarded<LeaseTable>& leases_;
  RevisionSignal& signal_;

  std::mutex mutex_;
  std::condition_variable work_;
  Jobs queued_;          // by mutex_
  bool ending_ = false;  // by mutex_
  std::thread thread_;
};

}  // namespace farlane::pool
