// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/sqlite_watch.h"

#include "pool-manager/store/sqlite_snapshot.h"
#include "protocol/base/clock.h"

namespace farlane::pool {

Result<WatchBatch> SqliteWatch::Next(uint64_t timeout_ms) {
  constexpr uint64_t kMs = 1'000'000;
  const uint64_t begun = NowNs();
  while (!cancelled_) {
    const uint64_t passed_ms = (NowNs() - begun) / kMs;
    const uint64_t left_ms = timeout_ms > passed_ms ? timeout_ms - passed_ms : 0;
    const int64_t now = signal_.Await(next_, left_ms, cancelled_);
    if (cancelled_ || now < next_) {
      break;
    }
    FARLANE_ASSIGN(WatchBatch batch, Read(now));
    next_ = batch.next_revision;
    if (!batch.events.empty()) {
      return batch;
    }
  }
  return WatchBatch{.events = {}, .next_revision = next_};
}

Result<WatchBatch> SqliteWatch::Read(int64_t to) {
  return reader_.With([&](SqliteTables& tables) -> Result<WatchBatch> {
    FARLANE_ASSIGN(const SqliteSnapshot snapshot, SqliteSnapshot::Begin(tables));
    const int64_t compacted = snapshot.counts().compacted;
    if (next_ < compacted) {
      return Status(store_error::kCompacted,
                    "events of '" + prefix_ + "' from revision " + std::to_string(next_) +
                        " on are gone; the store has them from " + std::to_string(compacted));
    }
    return tables.ReadEvents(prefix_, next_, to);
  });
}

}  // namespace farlane::pool
