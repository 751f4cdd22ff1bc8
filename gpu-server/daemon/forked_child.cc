// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/forked_child.h"

#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace farlane::server {
namespace {

constexpr int kControl = 3;

constexpr size_t kStackBytes = 256 << 10;  // deeper than any call of the daemon's

}  // namespace

[[gnu::noinline]] void WipeUnusedStack() {
  char unused[kStackBytes];
  explicit_bzero(unused, sizeof unused);
}

Fd BecomeChild(Fd control, pid_t daemon, const char* name) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != daemon) {
    _exit(1);  // it died before the line above
  }
  prctl(PR_SET_NAME, name);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  // A terminal's interrupt goes to all; the daemon ends its children itself.
  signal(SIGINT, SIG_IGN);
  if (control.get() != kControl) {
    dup3(control.get(), kControl, O_CLOEXEC);
    control.Reset();
    control = Fd(kControl);
  }
  close_range(kControl + 1, ~0u, 0);
  const Fd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  dup2(null.get(), STDIN_FILENO);
  return control;
}

void OutliveDaemon() {
  prctl(PR_SET_PDEATHSIG, 0);
}

}  // namespace farlane::server
