// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/sqlite_batch.h"

#include <algorithm>

namespace farlane::pool {
namespace {

// How many old events one commit looks at, at most: nobody waits long for it.
constexpr int64_t kDroppedAtOnceMax = 4096;
// Dropping a little more than needed is done less often.
constexpr int64_t kSlackPart = 16;

}  // namespace

Result<bool> SqliteBatch::Holds(const std::vector<Compare>& compares) {
  for (const Compare& compare : compares) {
    FARLANE_ASSIGN(const std::optional<KeyValue> found, tables_.Find(compare.key));
    if (!compare.Holds(found)) {
      return false;
    }
  }
  return true;
}

Status SqliteBatch::Put(const Operation& operation) {
  FARLANE_ASSIGN(const std::optional<KeyValue> old, tables_.Find(operation.key));
  const int64_t revision = counts_.revision + 1;
  const KeyValue item = {.key = operation.key,
                         .value = operation.value,
                         .create_revision = old ? old->create_revision : revision,
                         .mod_revision = revision,
                         .lease = operation.lease};
  FARLANE_TRY(tables_.Put(item));
  return AddEvent({.kind = Event::Kind::kPut, .item = item});
}

Status SqliteBatch::Delete(const std::string& key) {
  FARLANE_ASSIGN(const std::optional<KeyValue> old, tables_.Find(key));
  if (!old) {
    return {};
  }
  FARLANE_TRY(tables_.Erase(key));
  Event event;
  event.kind = Event::Kind::kDelete;
  event.item.key = key;
  event.item.mod_revision = counts_.revision + 1;
  return AddEvent(event);
}

int64_t SqliteBatch::EndChange() {
  if (sequence_ > 0) {
    ++counts_.revision;
    sequence_ = 0;
  }
  return counts_.revision;
}

Status SqliteBatch::EndLease(int64_t id) {
  FARLANE_ASSIGN(const std::vector<std::string> keys, tables_.KeysOfLease(id));
  for (const std::string& key : keys) {
    FARLANE_TRY(Delete(key));
  }
  EndChange();
  ended_leases_.insert(id);
  return tables_.EraseLease(id);
}

Status SqliteBatch::Compact(int64_t revision) {
  FARLANE_ASSIGN(const SqliteTables::EventsSize gone, tables_.SizeOfEventsBelow(revision));
  FARLANE_TRY(tables_.DropEventsBelow(revision));
  events_.count -= gone.count;
  events_.bytes -= gone.bytes;
  counts_.compacted = revision;
  return {};
}

Status SqliteBatch::Retain(const Retention& retention) {
  const SqliteTables::EventsSize excess = {.count = events_.count - retention.events_max,
                                           .bytes = events_.bytes - retention.bytes_max};
  if (excess.count <= 0 && excess.bytes <= 0) {
    return {};
  }
  FARLANE_ASSIGN(
      const int64_t stays,
      tables_.RevisionAfterDropping(
          {.count = excess.count > 0 ? excess.count + retention.events_max / kSlackPart : 0,
           .bytes = excess.bytes > 0 ? excess.bytes + retention.bytes_max / kSlackPart : 0},
          kDroppedAtOnceMax));
  return stays > counts_.compacted ? Compact(stays) : Status::Ok();
}

Status SqliteBatch::AddEvent(const Event& event) {
  FARLANE_TRY(tables_.AddEvent(sequence_++, event));
  ++events_.count;
  events_.bytes += static_cast<int64_t>(event.item.key.size() + event.item.value.size());
  return {};
}

}  // namespace farlane::pool
