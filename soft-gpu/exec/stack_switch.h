// SPDX-License-Identifier: Apache-2.0
// How a worker goes from one processor stack to another: its own and those of its fibers. The
// sanitizers keep books on stacks, so in their builds they are told; in all others only the switch
// itself is left.
//
// To the thread sanitizer all fibers of a worker are that worker's thread: they run one after
// another, so none can race with another. Fibers of its own kind would be a thousand threads per
// worker, whose clocks every lock of the process would compare.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <csetjmp>
#endif

extern "C" void farlane_soft_switch(void** save_stack_pointer, void* stack_pointer);

namespace farlane::soft {

struct StackExtent {
  const void* bottom = nullptr;
  size_t size_bytes = 0;
};

// Saves where the caller is in `save` and goes on at `to`, on the stack that `extent()` gives.
template <typename Extent>
void SwitchStack(void** save, void* to, [[maybe_unused]] const Extent& extent) {
#if defined(__SANITIZE_ADDRESS__)
  const StackExtent next = extent();
  void* kept = nullptr;
  __sanitizer_start_switch_fiber(&kept, next.bottom, next.size_bytes);
  farlane_soft_switch(save, to);
  __sanitizer_finish_switch_fiber(kept, nullptr, nullptr);
#else
  farlane_soft_switch(save, to);
#endif
}

// Runs `fibers`, which switches to the first of them and comes back once all have ended.
template <typename Fibers>
void RunOnOtherStacks(const Fibers& fibers) {
#if defined(__SANITIZE_THREAD__)
  // It counts calls and returns, and an ended fiber never returns from where it was: a jump to here
  // makes it forget all calls since.
  sigjmp_buf here;
  if (sigsetjmp(here, 0) == 0) {
    fibers();
    siglongjmp(here, 1);
  }
#else
  fibers();
#endif
}

// The first thing on a stack that nobody has run on, or that was left for good.
inline void EnterNewStack() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
}

// Nothing on the stack that `extent()` gives is wanted any more.
template <typename Extent>
void ForgetStack([[maybe_unused]] const Extent& extent) {
#if defined(__SANITIZE_ADDRESS__)
  const StackExtent stack = extent();
  __asan_unpoison_memory_region(stack.bottom, stack.size_bytes);
#endif
}

// The calling thread's own stack; only sanitizers need it.
inline StackExtent OwnStack() {
  StackExtent stack;
#if defined(__SANITIZE_ADDRESS__)
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
    void* bottom = nullptr;
    pthread_attr_getstack(&attributes, &bottom, &stack.size_bytes);
    stack.bottom = bottom;
    pthread_attr_destroy(&attributes);
  }
#endif
  return stack;
}

// After a jump from whichever stack back to the thread's own.
inline void BackOnOwnStack() {
#if defined(__SANITIZE_ADDRESS__)
  const StackExtent own = OwnStack();
  __sanitizer_start_switch_fiber(nullptr, own.bottom, own.size_bytes);
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
}

}  // namespace farlane::soft
