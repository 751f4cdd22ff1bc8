// SPDX-License-Identifier: Apache-2.0
// SignalsBlocked makes the threads that are started while it exists deaf to signals: those are for
// the program's threads. Faults, and what ends a kernel from outside, still reach them.
#pragma once

#include <pthread.h>
#include <signal.h>

namespace farlane::soft {

// Thread: the one that made it.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
      sigdelset(&all, signal);
    }
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }

  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace farlane::soft
