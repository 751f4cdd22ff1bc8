// SPDX-License-Identifier: Apache-2.0
// RunGuarded runs compiled code so that a bad memory access, a failed assertion or somebody who has
// waited long enough ends the code, not the process. What runs under it must own nothing that a
// destructor would have to give back: it is left by a jump. A signal that does not come from
// guarded code goes to whoever handled it before.
#pragma once

#include <atomic>
#include <cstdint>

#include <pthread.h>

#include "soft-gpu/exec/launch.h"
#include "soft-gpu/jit/jit_engine.h"

namespace farlane::soft {

// How guarded code ended.
struct GuardedEnd {
  Fault fault = Fault::kNone;
  uint64_t address = 0;
  bool by_signal = false;  // the processor stopped it, not a check
};

// When guarded code may be ended from outside: once `wanted` is set, and while the processor is in
// `code`. There it holds no lock and is in the middle of nothing of the runtime's.
struct Interruption {
  const std::atomic<bool>& wanted;
  jit::CodeRange code;
};

// Runs function(argument) on the calling thread. Not to be nested.
GuardedEnd RunGuarded(void (*function)(void*), void* argument, const Interruption& interruption);

// From now on faults are looked at, also those of code that is not guarded.
void CatchFaults();

// Makes a thread see whether its interruption is wanted. It is lost on a thread that is in the
// runtime just then.
void InterruptGuarded(pthread_t thread);

// Ends the guarded code that the calling thread is in.
[[noreturn]] void LeaveGuarded(Fault fault, uint64_t address);

// While one exists, the calling thread is not in guarded code: the runtime's own functions use it
// around everything that takes a lock or allocates.
// Thread: the one that made it.
class GuardPause {
 public:
  GuardPause();
  ~GuardPause();
  GuardPause(const GuardPause&) = delete;
  GuardPause& operator=(const GuardPause&) = delete;

 private:
  void* paused_;
};

}  // namespace farlane::soft
