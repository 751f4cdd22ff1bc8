// SPDX-License-Identifier: Apache-2.0
// WriteTracker asks the kernel which pages of a range were written since it was asked last, so that
// memory which nobody touched need not be compared. It needs userfaultfd and the pagemap scan of
// Linux 6.7: the kernel takes note of a write by itself, without a signal and without a thread of
// ours, and system calls may write as well.
#pragma once

#include <cstdint>
#include <vector>

namespace farlane {

struct WrittenRange {
  uint64_t address = 0;
  uint64_t bytes = 0;
};

// Thread: caller's, guarded.
class WriteTracker {
 public:
  WriteTracker() = default;
  ~WriteTracker();

  WriteTracker(const WriteTracker&) = delete;
  WriteTracker& operator=(const WriteTracker&) = delete;

  // Takes note of writes to whole pages of private memory from now on. False: they are not tracked.
  bool Track(uint64_t address, uint64_t bytes);
  // What was written to a tracked range since the last call, in whole pages and in order; from now
  // on it counts as not written. May name more than was written, never less.
  std::vector<WrittenRange> Take(uint64_t address, uint64_t bytes);

 private:
  bool Open();
  enum class State { kUntried, kOpen, kMissing };
  State state_ = State::kUntried;
  int faults_ = -1;   // userfaultfd
  int pagemap_ = -1;  // /proc/self/pagemap
};

// Whether this kernel lets us track writes; `farlane check` says so.
bool CanTrackWrites();

}  // namespace farlane
