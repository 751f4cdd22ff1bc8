// SPDX-License-Identifier: Apache-2.0
// AuditLog writes down who did what in a pool, while this manager leads it: one segment, a file of
// its own, whose lines are chained. What changes something is on the disk before it is done; if it
// cannot be written, it is not done. How far the segment has come is told to the store once a
// second.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "pool-manager/trust/audit_chain.h"
#include "pool-manager/trust/record_store.h"
#include "protocol/base/fd.h"
#include "protocol/base/guarded.h"

namespace farlane::pool {

// Thread: any, guarded.
class AuditLog {
 public:
  struct Options {
    std::string folder;   // made if it is not there
    std::string manager;  // this one: where the segment lies
    // Brings what was written to the disk; not 0: it failed.
    std::function<int(int file)> sync;
  };

  // Refusals of those who show no token that is known, in a minute; the rest is counted.
  static constexpr uint32_t kRefusedPerMinute = 120;

  // Begins the leader's segment behind the one before it. Borrows the store.
  static Result<std::unique_ptr<AuditLog>> Begin(Options options,
                                                 RecordStore& store,
                                                 int64_t now_ms);

  // Before something is done: it is on the disk when this returns, and may be done. Its number.
  Result<uint64_t> Ask(v1::AuditRecord record);
  // What has become of it, and what changes nothing. It is on the disk with the next that is asked,
  // or within a second.
  void Note(v1::AuditRecord record);
  // Somebody was turned away.
  void NoteRefusal(v1::AuditRecord record);

  // Once a second, or so: brings it to the disk, and its head to the store.
  void Look();

  // The last ones, the newest last.
  Result<std::vector<v1::AuditRecord>> Last(size_t count) const;

  const std::string& folder() const { return options_.folder; }

 private:
  struct Tail {
    uint64_t next_seq = 0;
    std::string head{kAuditStart};
    int64_t size = 0;
    bool failed = false;  // for good
    uint64_t told_seq = 0;
    int64_t minute = 0;
    uint32_t refused = 0;     // in this minute
    uint64_t suppressed = 0;  // since the last that was written
  };

  AuditLog(Options options, RecordStore& store, Fd file)
      : options_(std::move(options)), store_(store), file_(std::move(file)) {}

  Result<uint64_t> Append(v1::AuditRecord record);
  Result<uint64_t> AppendTo(Tail& tail, v1::AuditRecord record);
  Status SyncTo(uint64_t seq);
  Status TellStore();

  const Options options_;
  RecordStore& store_;
  const Fd file_;
  Guarded<Tail> tail_;
  // Held while the disk is waited for: those who come meanwhile wait for one sync together. Taken
  // before `tail_`.
  Guarded<uint64_t> synced_;  // so many records are on the disk
};

// The heads of all segments, as the store has them.
Result<std::vector<v1::AuditHead>> AuditHeads(RecordStore& store);

// The file of a leader's segment.
std::string AuditFile(const std::string& folder, uint64_t epoch);

}  // namespace farlane::pool
