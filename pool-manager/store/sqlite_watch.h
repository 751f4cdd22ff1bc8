// SPDX-License-Identifier: Apache-2.0
// SqliteWatch reads a SqliteStore's events from its file whenever the signal says that there are
// new ones.
#pragma once

#include <atomic>
#include <string>

#include "pool-manager/store/revision_signal.h"
#include "pool-manager/store/sqlite_tables.h"
#include "pool-manager/store/state_store.h"
#include "protocol/base/guarded.h"

namespace farlane::pool {

// Thread: one at a time in Next; Cancel from any.
class SqliteWatch : public Watch {
 public:
  SqliteWatch(std::string prefix,
              int64_t from_revision,
              Guarded<SqliteTables>& reader,
              RevisionSignal& signal)
      : prefix_(std::move(prefix)), next_(from_revision), reader_(reader), signal_(signal) {}

  Result<WatchBatch> Next(uint64_t timeout_ms) override;

  void Cancel() override { signal_.Cancel(cancelled_); }

 private:
  Result<WatchBatch> Read(int64_t to);

  const std::string prefix_;
  int64_t next_;
  Guarded<SqliteTables>& reader_;
  RevisionSignal& signal_;
  std::atomic<bool> cancelled_ = false;
};

}  // namespace farlane::pool
