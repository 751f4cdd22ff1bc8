// SPDX-License-Identifier: Apache-2.0
// SqliteBatch is what a SqliteStore commits together: the changes of several callers, one after
// the other, each with its own revision. What it counts is true once the batch is committed, and
// thrown away with it otherwise.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "pool-manager/store/sqlite_tables.h"

namespace farlane::pool {

// Thread: the writer's.
class SqliteBatch {
 public:
  // How much history is kept, for watchers that come back.
  struct Retention {
    int64_t events_max = 0;
    int64_t bytes_max = 0;
  };

  SqliteBatch(SqliteTables& tables,
              const SqliteTables::Counts& counts,
              const SqliteTables::EventsSize& events)
      : tables_(tables), counts_(counts), events_(events) {}

  Result<bool> Holds(const std::vector<Compare>& compares);

  // Changes of one revision; EndChange makes the next one theirs, if there were any.
  Status Put(const Operation& operation);
  Status Delete(const std::string& key);
  int64_t EndChange();

  Status AddLease(const Lease& lease) { return tables_.AddLease(lease.id, lease.ttl_s); }

  // Deletes the keys of a lease, and it, in one change.
  Status EndLease(int64_t id);

  bool HasEnded(int64_t lease) const { return ended_leases_.contains(lease); }

  Status Compact(int64_t revision);
  // Drops the oldest events while there are too many; a part of them at a time.
  Status Retain(const Retention& retention);

  // Writes the counts down.
  Status Close() { return tables_.WriteCounts(counts_); }

  const SqliteTables::Counts& counts() const { return counts_; }

  const SqliteTables::EventsSize& events() const { return events_; }

 private:
  Status AddEvent(const Event& event);

  SqliteTables& tables_;
  SqliteTables::Counts counts_;
  SqliteTables::EventsSize events_;
  std::set<int64_t> ended_leases_;
  int64_t sequence_ = 0;  // of the change that is being made
};

}  // namespace farlane::pool
