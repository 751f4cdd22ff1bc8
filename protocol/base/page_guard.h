// SPDX-License-Identifier: Apache-2.0
// PageGuard takes pages of the program's memory away for a while, with what is in them, and holds
// whoever touches them until they are put back: a load, a store or a system call waits inside of
// the kernel, without a signal. It needs a userfaultfd that sees the faults of system calls, too,
// which the kernel gives to who has CAP_SYS_PTRACE, may open /dev/userfaultfd, or lives with
// vm.unprivileged_userfaultfd=1; and mremap of Linux 5.7.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "protocol/base/fd.h"

namespace farlane {

// Thread: any.
class PageGuard {
 public:
  // `on_touch`: somebody waits for pages. On a thread of the guard's, which hears of nobody else
  // until it returns.
  explicit PageGuard(std::function<void()> on_touch) : on_touch_(std::move(on_touch)) {}

  ~PageGuard() { Stop(); }

  PageGuard(const PageGuard&) = delete;
  PageGuard& operator=(const PageGuard&) = delete;

  // Whether pages can be taken at all; finds out when first asked.
  bool works();

  // Takes whole pages of private memory, which must be one mapping. False: they are where they
  // were.
  bool Take(uint64_t address, uint64_t bytes);

  bool any() const { return count_.load(std::memory_order_acquire) != 0; }

  // Where the contents of pages lie that begin at an address; 0 if they are not taken. Whoever
  // looks there holds a Use.
  uint64_t ContentsOf(uint64_t address) const;
  void PutBack(uint64_t address);

  // Lets everybody go on; false while somebody else uses contents.
  bool PutAllBack() { return PutBackUntil(UINT64_MAX); }

  // How often pages have been taken. The same for what was taken by then: whoever goes on may give
  // a reason to take more, which nobody has dealt with.
  uint64_t takes() const { return takes_.load(std::memory_order_acquire); }

  bool PutBackUntil(uint64_t takes);
  // Nothing is taken any more. Waits a little for a thread that is in on_touch; one that does not
  // come back then is left alone.
  void Stop();
  // In a forked child, which has no guard: what is taken is put back.
  void AfterFork();

  // While there is one, nobody puts all back.
  class Use {
   public:
    explicit Use(PageGuard& guard);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    PageGuard& guard_;
  };

 private:
  struct Held {
    uint64_t bytes = 0;
    uint64_t contents = 0;
    uint64_t number = 0;  // of takes
  };

  bool Start();
  void Loop();
  void PutBackLocked(uint64_t address, const Held& held);

  const std::function<void()> on_touch_;
  std::atomic<size_t> count_{0};
  std::atomic<uint64_t> takes_{0};
  mutable std::mutex mutex_;  // not Guarded: a forked child may only try to take it
  enum class State { kUntried, kWorks, kMissing };
  State state_ = State::kUntried;
  std::map<uint64_t, Held> held_;  // by address
  uint32_t uses_ = 0;
  Fd faults_;  // userfaultfd
  Fd stop_;    // written to when the thread is to end
  std::thread thread_;
  std::atomic<bool> ended_{false};  // the thread has
};

// Whether this kernel lets us hold whoever touches a page; `farlane check` says so.
bool CanGuardPages();

}  // namespace farlane
