// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/child_process.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/base/fd.h"

namespace farlane::cli {
namespace {

void LeaveTerminal(const ChildPlan& plan) {
  // A session of its own: Ctrl-C is meant for the command, which still needs its server to end
  // well.
  setsid();
  const Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  dup2(null.get(), STDIN_FILENO);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  // Whoever waits for the end of a pipe must not have to wait for a background process. Kernels
  // before 5.11 do not know this; there the descriptors stay open a little longer.
  close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  for (const int descriptor : plan.inherited) {
    fcntl(descriptor, F_SETFD, 0);
  }
}

void ApplySettings(const std::vector<Setting>& settings) {
  for (const auto& [name, value] : settings) {
    if (value) {
      setenv(name.c_str(), value->c_str(), 1);
    } else {
      unsetenv(name.c_str());
    }
  }
}

// Runs in the child. Returns only if the program cannot be executed.
int Become(const ChildPlan& plan, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, plan.death_signal);
  if (getppid() != parent) {
    _exit(1);  // the parent died before it could be watched
  }
  if (plan.background) {
    LeaveTerminal(plan);
  }
  if (plan.output >= 0) {
    dup2(plan.output, STDOUT_FILENO);
  }
  ApplySettings(plan.settings);
  std::vector<char*> arguments;
  for (const std::string& argument : plan.arguments) {
    arguments.push_back(const_cast<char*>(argument.c_str()));  // execvp does not write to them
  }
  arguments.push_back(nullptr);
  if (plan.mask != nullptr) {
    sigprocmask(SIG_SETMASK, plan.mask, nullptr);
  }
  execvp(arguments[0], arguments.data());
  return errno;
}

}  // namespace

Result<Started> StartChild(const ChildPlan& plan) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return Status::FromErrno(StatusCode::kExhausted, "cannot make a pipe", errno);
  }
  Fd error_in(ends[0]);
  Fd error_out(ends[1]);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) {
    return Status::FromErrno(StatusCode::kExhausted, "cannot start a process", errno);
  }
  if (child == 0) {
    const int error = Become(plan, parent);
    [[maybe_unused]] const ssize_t told = write(error_out.get(), &error, sizeof error);
    _exit(1);
  }
  error_out.Reset();
  // The pipe closes when the program is executed, and brings an error number when it is not.
  Started started{.pid = child};
  ssize_t got = 0;
  do {
    got = read(error_in.get(), &started.exec_error, sizeof started.exec_error);
  } while (got < 0 && errno == EINTR);
  if (got == static_cast<ssize_t>(sizeof started.exec_error)) {
    waitpid(child, nullptr, 0);
    started.pid = -1;
  }
  return started;
}

std::string DescribeEnd(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const int number = WTERMSIG(wait_status);
    const char* name = sigabbrev_np(number);
    return "signal " + std::to_string(number) + (name ? " (SIG" + std::string(name) + ")" : "");
  }
  return "exit code " + std::to_string(WEXITSTATUS(wait_status));
}

}  // namespace farlane::cli
