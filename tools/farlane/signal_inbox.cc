// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/signal_inbox.h"

namespace farlane::cli {
namespace {

// What a wrapper passes on, and what tells it about its children. SIGTTIN and SIGTTOU stay with the
// system: farlane itself never reads from or writes to a terminal while the command runs.
constexpr int kTaken[] = {SIGCHLD, SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGTSTP,
                          SIGCONT, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH};

}  // namespace

SignalInbox::SignalInbox() {
  sigset_t taken;
  sigemptyset(&taken);
  for (const int number : kTaken) {
    sigaddset(&taken, number);
  }
  sigprocmask(SIG_BLOCK, &taken, &before_);
  fd_ = Fd(signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK));
}

SignalInbox::~SignalInbox() {
  sigprocmask(SIG_SETMASK, &before_, nullptr);
}

std::optional<signalfd_siginfo> SignalInbox::Take() {
  signalfd_siginfo info{};
  if (read(fd_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) {
    return std::nullopt;
  }
  return info;
}

}  // namespace farlane::cli
