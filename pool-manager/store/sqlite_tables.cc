// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/sqlite_tables.h"

#include <algorithm>
#include <utility>

namespace farlane::pool {
namespace {

// In the order of SqliteTables::Sentence.
constexpr std::array<const char*, 18> kTexts = {
    "SELECT number FROM counts WHERE name = CAST(?1 AS TEXT)",
    "UPDATE counts SET number = ?2 WHERE name = CAST(?1 AS TEXT)",
    "SELECT value, create_revision, mod_revision, lease FROM keys WHERE key = ?1",
    "INSERT INTO keys VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (key) DO UPDATE SET "
    "value = excluded.value, create_revision = excluded.create_revision, "
    "mod_revision = excluded.mod_revision, lease = excluded.lease",
    "DELETE FROM keys WHERE key = ?1",
    "SELECT key, value, create_revision, mod_revision, lease FROM keys WHERE key >= ?1 "
    "ORDER BY key LIMIT ?2",
    "SELECT key, value, create_revision, mod_revision, lease FROM keys WHERE key >= ?1 "
    "AND key < ?3 ORDER BY key LIMIT ?2",
    "INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    "SELECT count(*), coalesce(sum(length(key) + length(value)), 0) FROM events",
    "SELECT count(*), coalesce(sum(length(key) + length(value)), 0) FROM events "
    "WHERE revision < ?1",
    "DELETE FROM events WHERE revision < ?1",
    "SELECT revision, length(key) + length(value) FROM events ORDER BY revision, sequence "
    "LIMIT ?1",
    "SELECT revision, kind, key, value, create_revision, lease FROM events "
    "WHERE revision >= ?1 AND revision <= ?2 AND key >= ?3 ORDER BY revision, sequence",
    "SELECT revision, kind, key, value, create_revision, lease FROM events "
    "WHERE revision >= ?1 AND revision <= ?2 AND key >= ?3 AND key < ?4 "
    "ORDER BY revision, sequence",
    "INSERT INTO leases VALUES (?1, ?2)",
    "DELETE FROM leases WHERE id = ?1",
    "SELECT id, ttl_s FROM leases",
    "SELECT key FROM keys WHERE lease = ?1 AND lease <> 0 ORDER BY key",
};

constexpr std::string_view kRevision = "revision";
constexpr std::string_view kCompacted = "compacted";

size_t BytesOf(const KeyValue& item) {
  return item.key.size() + item.value.size();
}

Event EventOf(const Query& query) {
  Event event;
  event.kind = query.Number(1) == 0 ? Event::Kind::kPut : Event::Kind::kDelete;
  event.item = {.key = query.Bytes(2),
                .value = query.Bytes(3),
                .create_revision = query.Number(4),
                .mod_revision = query.Number(0),
                .lease = query.Number(5)};
  return event;
}

}  // namespace

Result<SqliteTables> SqliteTables::Over(Database database) {
  static_assert(kTexts.size() == kSentences);
  SqliteTables tables;
  tables.database_ = std::move(database);
  for (size_t i = 0; i < kTexts.size(); ++i) {
    FARLANE_ASSIGN(tables.statements_[i], tables.database_.Prepare(kTexts[i]));
  }
  return tables;
}

Result<SqliteTables::Counts> SqliteTables::ReadCounts() {
  Counts counts;
  for (auto [name, number] :
       {std::pair{kRevision, &counts.revision}, std::pair{kCompacted, &counts.compacted}}) {
    Query query(Of(kReadCount), name);
    FARLANE_ASSIGN(const bool row, query.Next());
    if (!row) {
      return Status(store_error::kCorrupt, "the store has no count '" + std::string(name) + "'");
    }
    *number = query.Number(0);
  }
  return counts;
}

Status SqliteTables::WriteCounts(const Counts& counts) {
  FARLANE_TRY(Query(Of(kWriteCount), kRevision, counts.revision).Finish());
  return Query(Of(kWriteCount), kCompacted, counts.compacted).Finish();
}

Result<std::optional<KeyValue>> SqliteTables::Find(const std::string& key) {
  Query query(Of(kFind), key);
  FARLANE_ASSIGN(const bool row, query.Next());
  if (!row) {
    return std::optional<KeyValue>();
  }
  return std::optional<KeyValue>(KeyValue{.key = key,
                                          .value = query.Bytes(0),
                                          .create_revision = query.Number(1),
                                          .mod_revision = query.Number(2),
                                          .lease = query.Number(3)});
}

Status SqliteTables::Put(const KeyValue& item) {
  return Query(Of(kPut), item.key, item.value, item.create_revision, item.mod_revision, item.lease)
      .Finish();
}

Status SqliteTables::Erase(const std::string& key) {
  return Query(Of(kErase), key).Finish();
}

Result<Page> SqliteTables::ReadPage(const RangeRequest& request) {
  const size_t limit = request.limit == 0 ? kPageItemsMax : std::min(request.limit, kPageItemsMax);
  const std::string& first = std::max(request.prefix, request.from_key);
  const std::string end = PrefixEnd(request.prefix);
  // One more than fits tells whether there are more.
  const int64_t rows = static_cast<int64_t>(limit) + 1;
  std::optional<Query> query;
  if (end.empty()) {
    query.emplace(Of(kPageToEnd), first, rows);
  } else {
    query.emplace(Of(kPage), first, rows, end);
  }
  Page page;
  size_t bytes = 0;
  while (true) {
    FARLANE_ASSIGN(const bool row, query->Next());
    if (!row) {
      return page;
    }
    if (page.items.size() == limit || bytes >= kPageBytesMax) {
      page.more = true;
      return page;
    }
    page.items.push_back({.key = query->Bytes(0),
                          .value = query->Bytes(1),
                          .create_revision = query->Number(2),
                          .mod_revision = query->Number(3),
                          .lease = query->Number(4)});
    bytes += BytesOf(page.items.back());
  }
}

Status SqliteTables::AddEvent(int64_t sequence, const Event& event) {
  const KeyValue& item = event.item;
  const int64_t kind = event.kind == Event::Kind::kPut ? 0 : 1;
  return Query(Of(kAddEvent), item.mod_revision, sequence, kind, item.key, item.value,
               item.create_revision, item.lease)
      .Finish();
}

Result<SqliteTables::EventsSize> SqliteTables::SizeOfEvents() {
  Query query(Of(kSizeOfEvents));
  FARLANE_TRY(query.Next());
  return EventsSize{.count = query.Number(0), .bytes = query.Number(1)};
}

Result<SqliteTables::EventsSize> SqliteTables::SizeOfEventsBelow(int64_t revision) {
  Query query(Of(kSizeOfEventsBelow), revision);
  FARLANE_TRY(query.Next());
  return EventsSize{.count = query.Number(0), .bytes = query.Number(1)};
}

Status SqliteTables::DropEventsBelow(int64_t revision) {
  return Query(Of(kDropEvents), revision).Finish();
}

Result<int64_t> SqliteTables::RevisionAfterDropping(const EventsSize& excess, int64_t rows_max) {
  Query query(Of(kOldEvents), rows_max);
  EventsSize dropped;
  int64_t stays = 0;
  while (dropped.count < excess.count || dropped.bytes < excess.bytes) {
    FARLANE_ASSIGN(const bool row, query.Next());
    if (!row) {
      break;
    }
    stays = query.Number(0) + 1;
    ++dropped.count;
    dropped.bytes += query.Number(1);
  }
  return stays;
}

Result<WatchBatch> SqliteTables::ReadEvents(const std::string& prefix, int64_t from, int64_t to) {
  const std::string end = PrefixEnd(prefix);
  std::optional<Query> query;
  if (end.empty()) {
    query.emplace(Of(kEventsToEnd), from, to, prefix);
  } else {
    query.emplace(Of(kEvents), from, to, prefix, end);
  }
  WatchBatch batch;
  batch.next_revision = to + 1;
  size_t bytes = 0;
  while (true) {
    FARLANE_ASSIGN(const bool row, query->Next());
    if (!row) {
      return batch;
    }
    const bool full = batch.events.size() >= kPageItemsMax || bytes >= kPageBytesMax;
    if (full && query->Number(0) != batch.events.back().item.mod_revision) {
      batch.next_revision = query->Number(0);
      return batch;
    }
    batch.events.push_back(EventOf(*query));
    bytes += BytesOf(batch.events.back().item);
  }
}

Status SqliteTables::AddLease(int64_t id, int64_t ttl_s) {
  return Query(Of(kAddLease), id, ttl_s).Finish();
}

Status SqliteTables::EraseLease(int64_t id) {
  return Query(Of(kEraseLease), id).Finish();
}

Result<std::vector<Lease>> SqliteTables::Leases() {
  Query query(Of(kLeases));
  std::vector<Lease> leases;
  while (true) {
    FARLANE_ASSIGN(const bool row, query.Next());
    if (!row) {
      return leases;
    }
    leases.push_back({.id = query.Number(0), .ttl_s = query.Number(1)});
  }
}

Result<std::vector<std::string>> SqliteTables::KeysOfLease(int64_t id) {
  Query query(Of(kKeysOfLease), id);
  std::vector<std::string> keys;
  while (true) {
    FARLANE_ASSIGN(const bool row, query.Next());
    if (!row) {
      return keys;
    }
    keys.push_back(query.Bytes(0));
  }
}

}  // namespace farlane::pool
