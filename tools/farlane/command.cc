// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/command.h"

#include <cerrno>
#include <cstring>
#include <optional>

#include <poll.h>
#include <sys/wait.h>

#include "protocol/base/log.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

int ReportExecError(const std::string& program, int error) {
  char text[128] = "unknown error";
  const char* why = strerror_r(error, text, sizeof text);
  const bool missing = error == ENOENT;
  LogError("cannot run \"%s\": %s%s", program.c_str(), why,
           missing ? " (not in PATH, or the interpreter it names is missing)" : "");
  return missing ? kExitNotFound : kExitCannotExecute;
}

bool IsJobControlStop(int number) {
  return number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
}

// The exit code if the command has ended.
std::optional<int> LookAfter(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, WNOHANG | WUNTRACED) == child) {
    if (WIFEXITED(status)) {
      return WEXITSTATUS(status);
    }
    if (WIFSIGNALED(status)) {
      return kExitSignalBase + WTERMSIG(status);
    }
    // Stopped from its terminal: the shell waits for us, so we stop too. A plain SIGSTOP came from
    // somebody who meant the command alone and may continue it alone.
    if (WIFSTOPPED(status) && IsJobControlStop(WSTOPSIG(status))) {
      raise(SIGSTOP);
    }
  }
  return std::nullopt;
}

bool Ends(int number) {
  return number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT;
}

void PassOn(const signalfd_siginfo& signal, pid_t child) {
  const int number = static_cast<int>(signal.ssi_signo);
  // What a terminal sends goes to the whole foreground group: the command has its own already. What
  // the command sends to us, or to its whole group, it does not want back.
  const bool has_it =
      signal.ssi_code == SI_KERNEL || signal.ssi_pid == static_cast<uint32_t>(child);
  if (!has_it || number == SIGCONT) {
    kill(child, number);
  }
}

}  // namespace

CommandEnd RunCommandOnce(const std::vector<std::string>& command,
                          const std::vector<Setting>& settings,
                          SignalInbox& inbox,
                          const std::function<void()>& on_child_change) {
  CommandEnd end;
  const Result<Started> started = StartChild(
      {.arguments = command, .settings = settings, .mask = &inbox.mask_before(), .inherited = {}});
  if (!started.ok()) {
    LogError("%s", started.error().message().c_str());
    end.code = kExitFarlane;
    return end;
  }
  const pid_t child = started.value().pid;
  if (child < 0) {
    end.code = ReportExecError(command[0], started.value().exec_error);
    return end;
  }
  while (true) {
    if (const std::optional<int> code = LookAfter(child)) {
      end.code = *code;
      return end;
    }
    on_child_change();
    pollfd waiting{.fd = inbox.fd(), .events = POLLIN, .revents = 0};
    poll(&waiting, 1, -1);
    while (const std::optional<signalfd_siginfo> signal = inbox.Take()) {
      if (signal->ssi_signo != SIGCHLD) {
        end.was_told |= Ends(static_cast<int>(signal->ssi_signo));
        PassOn(*signal, child);
      }
    }
  }
}

int RunCommand(const std::vector<std::string>& command,
               const std::vector<Setting>& settings,
               SignalInbox& inbox,
               const std::function<void()>& on_child_change) {
  return RunCommandOnce(command, settings, inbox, on_child_change).code;
}

}  // namespace farlane::cli
