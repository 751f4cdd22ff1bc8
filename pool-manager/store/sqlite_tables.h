// SPDX-License-Identifier: Apache-2.0
// SqliteTables reads and writes the tables of a store (sqlite_schema.h), one statement a function.
// It knows nothing of transactions: whoever calls has begun one.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pool-manager/store/sqlite_database.h"
#include "pool-manager/store/state_store.h"

namespace farlane::pool {

// Thread: caller's.
class SqliteTables {
 public:
  struct Counts {
    int64_t revision = 0;
    int64_t compacted = 0;  // events below this are gone
  };

  // How much the events take.
  struct EventsSize {
    int64_t count = 0;
    int64_t bytes = 0;
  };

  // Takes a connection to a file whose schema was checked.
  static Result<SqliteTables> Over(Database database);

  const Database& database() const { return database_; }

  Result<Counts> ReadCounts();
  Status WriteCounts(const Counts& counts);

  Result<std::optional<KeyValue>> Find(const std::string& key);
  Status Put(const KeyValue& item);
  Status Erase(const std::string& key);
  // `items` only, and whether there are more.
  Result<Page> ReadPage(const RangeRequest& request);

  Status AddEvent(int64_t sequence, const Event& event);
  Result<EventsSize> SizeOfEvents();
  // Of those below a revision.
  Result<EventsSize> SizeOfEventsBelow(int64_t revision);
  Status DropEventsBelow(int64_t revision);
  // The first revision that stays when the oldest are dropped until so much has gone; at most so
  // many rows are looked at.
  Result<int64_t> RevisionAfterDropping(const EventsSize& excess, int64_t rows_max);
  // Whole revisions until the batch is full, or up to `to`.
  Result<WatchBatch> ReadEvents(const std::string& prefix, int64_t from, int64_t to);

  Status AddLease(int64_t id, int64_t ttl_s);
  Status EraseLease(int64_t id);
  Result<std::vector<Lease>> Leases();
  Result<std::vector<std::string>> KeysOfLease(int64_t id);

 private:
  enum Sentence : size_t {
    kReadCount,
    kWriteCount,
    kFind,
    kPut,
    kErase,
    kPageToEnd,
    kPage,
    kAddEvent,
    kSizeOfEvents,
    kSizeOfEventsBelow,
    kDropEvents,
    kOldEvents,
    kEventsToEnd,
    kEvents,
    kAddLease,
    kEraseLease,
    kLeases,
    kKeysOfLease,
    kSentences,
  };

  const Statement& Of(Sentence sentence) const { return statements_[sentence]; }

  Database database_;  // before the statements, which must go first
  std::array<Statement, kSentences> statements_;
};

}  // namespace farlane::pool
