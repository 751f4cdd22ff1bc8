// SPDX-License-Identifier: Apache-2.0
#include "client-shim/pool_session.h"

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>

#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/base/fd.h"

extern char** environ;

namespace farlane::shim {
namespace {

// Three lines of text, with addresses and tokens of sixteen servers.
constexpr size_t kAnswerBytesMax = 16384;

// lib/farlane/client/libcuda.so.1 -> libexec/farlane/farlane-session. Never from PATH, which others
// may have set.
Result<std::string> SessionProgram() {
  Dl_info own{};
  char path[PATH_MAX];
  if (dladdr(reinterpret_cast<const void*>(&AskPool), &own) == 0 ||
      realpath(own.dli_fname, path) == nullptr) {
    return Status(StatusCode::kNotFound, "this library does not know where it lies");
  }
  std::string prefix = path;
  for (int level = 0; level < 4; ++level) {
    prefix.resize(std::min(prefix.size(), prefix.rfind('/')));
  }
  return prefix + "/libexec/farlane/farlane-session";
}

// Signals of the program's are not that program's: it starts with all of them as usual.
Status Spawn(const std::string& program, int output, pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  char* const arguments[] = {const_cast<char*>(program.c_str()), const_cast<char*>("open"),
                             nullptr};
  const int error = posix_spawn(pid, program.c_str(), &actions, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error == 0 ? Status::Ok()
                    : Status::FromErrno(StatusCode::kNotFound, "cannot execute " + program, error);
}

std::string ReadAll(int descriptor) {
  std::string text;
  char bytes[kAnswerBytesMax];
  while (text.size() < kAnswerBytesMax) {
    const ssize_t got = read(descriptor, bytes, sizeof bytes);
    if (got == 0 || (got < 0 && errno != EINTR)) {
      break;
    }
    text.append(bytes, got > 0 ? static_cast<size_t>(got) : 0);
  }
  return text;
}

// The value behind "NAME=" at the beginning of a line; empty: there is none.
std::string ValueOf(const std::string& text, const std::string& name) {
  const std::string start = name + "=";
  const size_t at = text.starts_with(start) ? 0 : text.find("\n" + start);
  if (at == std::string::npos) {
    return "";
  }
  const size_t value = at + start.size() + (at == 0 ? 0 : 1);
  return text.substr(value, text.find('\n', value) - value);
}

}  // namespace

Status AskPool(Config* config) {
  if (getauxval(AT_SECURE) != 0) {
    return Status(StatusCode::kRefused,
                  "a program that runs with another user's rights asks no pool; set "
                  "FARLANE_SERVER");
  }
  FARLANE_ASSIGN(const std::string program, SessionProgram());
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return Status::FromErrno(StatusCode::kExhausted, "cannot make a pipe", errno);
  }
  const Fd output(ends[0]);
  Fd input(ends[1]);
  pid_t pid = 0;
  FARLANE_TRY(Spawn(program, input.get(), &pid));
  input.Reset();
  const std::string answer = ReadAll(output.get());
  // The program may wait for its children by itself and take this one: the answer counts.
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  const std::string server = ValueOf(answer, "FARLANE_SERVER");
  config->token = ValueOf(answer, "FARLANE_TOKEN");
  config->SetSession(ValueOf(answer, "FARLANE_SESSION"));
  if (server.empty() || config->token.empty() || !config->session_error.empty()) {
    return Status(StatusCode::kRefused,
                  "the pool at " + config->pool.value_or("") + " gives this program no session");
  }
  config->server = server;
  return Status::Ok();
}

}  // namespace farlane::shim
