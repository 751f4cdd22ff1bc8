// SPDX-License-Identifier: Apache-2.0
// SignalInbox keeps signals from acting by themselves: they are read, one by one, where the reader
// can also see who sent them. Children must get `mask_before()` back, or they would start deaf.
#pragma once

#include <optional>

#include <signal.h>
#include <sys/signalfd.h>

#include "protocol/base/fd.h"

namespace farlane::cli {

// Thread: main, in a process of one thread.
class SignalInbox {
 public:
  SignalInbox();
  SignalInbox(const SignalInbox&) = delete;
  SignalInbox& operator=(const SignalInbox&) = delete;
  ~SignalInbox();

  // Readable when a signal has come.
  int fd() const { return fd_.get(); }

  // The next signal; nothing if none has come.
  std::optional<signalfd_siginfo> Take();

  const sigset_t& mask_before() const { return before_; }

 private:
  sigset_t before_{};
  Fd fd_;
};

}  // namespace farlane::cli
