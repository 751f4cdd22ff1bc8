// SPDX-License-Identifier: Apache-2.0
// CommandWatch knows for how long a command may be worked on, and since when the client's oldest
// one is. The dispatch thread finds out by itself that one has taken too long. If it does not come
// to look any more, in a call of the driver that waits for the command, another thread sees that.
#pragma once

#include <atomic>
#include <cstdint>

namespace farlane::server {

// Thread: noted by the dispatch thread, read by any.
class CommandWatch {
 public:
  // What is under way is looked at so often.
  static constexpr uint64_t kLookNs = 5'000'000;

  // `limit_ns` 0: as long as it takes.
  explicit CommandWatch(uint64_t limit_ns) : limit_ns_(limit_ns) {}

  uint64_t limit_ns() const { return limit_ns_; }

  // At `now_ns` the oldest command has been worked on since `begun_ns`; 0: none is. `given`: there
  // is one all the same that waits for nothing. If nobody comes to look again, it is taken to have
  // begun.
  void Note(uint64_t begun_ns, uint64_t now_ns, bool given = false) {
    begun_ns_.store(begun_ns, std::memory_order_relaxed);
    any_.store(given || begun_ns != 0, std::memory_order_relaxed);
    looked_ns_.store(now_ns, std::memory_order_release);
  }

  // The device has been given a command.
  void NoteGiven(uint64_t now_ns) {
    if (begun_ns_.load(std::memory_order_relaxed) == 0) {
      Note(0, now_ns, true);
    }
  }

  // Whether it is time for the next Note, if anything is under way.
  bool IsDue(uint64_t now_ns) const {
    return limit_ns_ != 0 && now_ns - looked_ns_.load(std::memory_order_relaxed) >= kLookNs;
  }

  // Whether a command had taken too long when there was a look.
  bool WasOverdue() const {
    const uint64_t looked_ns = looked_ns_.load(std::memory_order_acquire);
    return IsTooLong(begun_ns_.load(std::memory_order_relaxed), looked_ns);
  }

  // Whether there was a command, and nobody has looked for as long as one may take.
  bool IsOverdueUnseen(uint64_t now_ns) const {
    const uint64_t looked_ns = looked_ns_.load(std::memory_order_acquire);
    return any_.load(std::memory_order_relaxed) && IsTooLong(looked_ns, now_ns);
  }

 private:
  bool IsTooLong(uint64_t since_ns, uint64_t now_ns) const {
    return limit_ns_ != 0 && since_ns != 0 && now_ns > since_ns && now_ns - since_ns > limit_ns_;
  }

  const uint64_t limit_ns_;
  std::atomic<uint64_t> begun_ns_{0};
  std::atomic<bool> any_{false};  // a command has begun, or was given
  std::atomic<uint64_t> looked_ns_{0};
};

}  // namespace farlane::server
