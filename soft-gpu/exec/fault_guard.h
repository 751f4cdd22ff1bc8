// SPDX-License-Identifier: Apache-2.0
// RunGuarded runs compiled code so that a bad memory access or a failed assertion ends the code,
// not the process. What runs under it must own nothing that a destructor would have to give back:
// it is left by a jump. A signal that does not come from guarded code goes to whoever handled it
// before.
#pragma once

#include <cstdint>

#include "soft-gpu/exec/launch.h"

namespace farlane::soft {

// How guarded code ended.
struct GuardedEnd {
  Fault fault = Fault::kNone;
  uint64_t address = 0;
  bool by_signal = false;  // the processor stopped it, not a check
};

// Runs function(argument) on the calling thread. Not to be nested.
GuardedEnd RunGuarded(void (*function)(void*), void* argument);

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
