// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/page_move.h"

#include <atomic>
#include <cerrno>
#include <mutex>

#include <sched.h>
#include <sys/mman.h>

#include "soft-gpu/exec/fault_guard.h"

namespace farlane::soft {
namespace {

// What was moved last, or is. A thread may come to the handler when the move is already over.
std::atomic<uint64_t> moving_begin{0};
std::atomic<uint64_t> moving_end{0};
std::atomic<bool> moving{false};

// An access that fails so often for another reason fails for good.
constexpr int kRetriesMax = 1000;

thread_local const void* retried_at __attribute__((tls_model("initial-exec"))) = nullptr;
thread_local int retries __attribute__((tls_model("initial-exec"))) = 0;

void* AsPointer(uint64_t address) {
  return reinterpret_cast<void*>(address);
}

using Word __attribute__((may_alias)) = uint64_t;

// Into memory that is zero, so pages of nothing but zeros are not made. Whole pages, of which a
// sanitizer knows that parts are nobody's.
__attribute__((no_sanitize("address", "thread"))) void CopyPages(uint64_t from,
                                                                 void* to,
                                                                 uint64_t size_bytes) {
  const auto* const source = static_cast<const Word*>(AsPointer(from));
  auto* const target = static_cast<Word*>(to);
  for (uint64_t i = 0; i < size_bytes / sizeof(Word); ++i) {
    if (source[i] != 0) {
      target[i] = source[i];
    }
  }
}

// 0, or why not. The heap may be what is moved: nothing is allocated here.
int Replace(uint64_t base, void* made, uint64_t size_bytes) {
  if (mprotect(AsPointer(base), size_bytes, PROT_READ) != 0) {
    return errno;
  }
  CopyPages(base, made, size_bytes);
  const void* const placed =
      mremap(made, size_bytes, size_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, AsPointer(base));
  return placed == MAP_FAILED ? errno : 0;
}

}  // namespace

Status MovePages(uint64_t base, uint64_t size_bytes, int file) {
  static std::mutex one_at_a_time;  // not Guarded: what it guards is the process's memory
  CatchFaults();
  const int kind = file >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
  void* const made =
      mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, kind | MAP_NORESERVE, file, 0);
  if (made == MAP_FAILED) {
    return Status::FromErrno(StatusCode::kExhausted, "cannot map pages", errno);
  }
  const std::lock_guard lock(one_at_a_time);
  moving_begin.store(base);
  moving_end.store(base + size_bytes);
  moving.store(true);
  const int failure = Replace(base, made, size_bytes);
  if (failure != 0) {
    static_cast<void>(mprotect(AsPointer(base), size_bytes, PROT_READ | PROT_WRITE));
    munmap(made, size_bytes);
  }
  moving.store(false);
  return failure == 0 ? Status::Ok()
                      : Status::FromErrno(StatusCode::kExhausted, "cannot replace pages", failure);
}

bool WaitForPageMove(const void* address) {
  const auto at = reinterpret_cast<uint64_t>(address);
  if (at < moving_begin.load() || at >= moving_end.load()) {
    return false;
  }
  retries = address == retried_at ? retries + 1 : 0;
  retried_at = address;
  while (moving.load()) {
    sched_yield();
  }
  return retries < kRetriesMax;
}

}  // namespace farlane::soft
