// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/pool_client.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/base/environment.h"
#include "protocol/base/fd.h"

namespace farlane::cli {
namespace {

// The list of ten thousand servers is a tenth of this.
constexpr size_t kOutputBytesMax = 256 << 20;

std::string ReadAll(int descriptor) {
  std::string text;
  char bytes[16384];
  while (text.size() < kOutputBytesMax) {
    const ssize_t got = read(descriptor, bytes, sizeof bytes);
    if (got == 0 || (got < 0 && errno != EINTR)) {
      break;
    }
    text.append(bytes, got > 0 ? static_cast<size_t>(got) : 0);
  }
  return text;
}

Result<PoolReply> RunSessionProgram(const Installation& installation,
                                    const std::string& pool,
                                    const std::vector<std::string>& words,
                                    std::vector<Setting> settings) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return Status::FromErrno(StatusCode::kExhausted, "cannot make a pipe", errno);
  }
  const Fd output(ends[0]);
  Fd input(ends[1]);
  ChildPlan plan;
  plan.arguments = {installation.SessionProgram(), "--pool", pool};
  plan.arguments.insert(plan.arguments.end(), words.begin(), words.end());
  plan.settings = std::move(settings);
  plan.output = input.get();
  FARLANE_ASSIGN(const Started started, StartChild(plan));
  if (started.pid < 0) {
    return Status::FromErrno(StatusCode::kNotFound, "cannot execute " + plan.arguments[0],
                             started.exec_error);
  }
  input.Reset();
  PoolReply reply{.output = ReadAll(output.get())};
  int status = 0;
  while (waitpid(started.pid, &status, 0) < 0 && errno == EINTR) {
  }
  reply.code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  return reply;
}

// "NAME=VALUE", a line each.
std::vector<Setting> SettingsOf(const std::string& text) {
  std::vector<Setting> settings;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\n', start), text.size());
    const std::string line = text.substr(start, end - start);
    if (const size_t equals = line.find('='); equals != std::string::npos) {
      settings.emplace_back(line.substr(0, equals), line.substr(equals + 1));
    }
    start = end + 1;
  }
  return settings;
}

}  // namespace

void AddPoolOption(CLI::App* app, std::string* given) {
  app->add_option("--pool", *given, "the pool's manager (default: FARLANE_POOL)")
      ->type_name("HOST:PORT");
}

std::string PoolNamed(const std::string& given) {
  return given.empty() ? Environment("FARLANE_POOL").value_or("") : given;
}

Result<std::string> PoolRequired(const std::string& given) {
  std::string pool = PoolNamed(given);
  if (pool.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "which pool? say --pool HOST:PORT or set FARLANE_POOL");
  }
  return pool;
}

Result<PoolReply> AskPool(const Installation& installation,
                          const std::string& pool,
                          const std::string& method,
                          const std::string& path,
                          const std::string& body) {
  std::vector<std::string> words = {"ask", method, path};
  if (!body.empty()) {
    words.insert(words.end(), {"--text", body});
  }
  return RunSessionProgram(installation, pool, words, {});
}

Result<PoolSession> PoolSession::Open(const Installation& installation,
                                      const std::string& pool,
                                      const std::vector<Setting>& wishes,
                                      int* code) {
  FARLANE_ASSIGN(const PoolReply reply, RunSessionProgram(installation, pool, {"open"}, wishes));
  *code = reply.code;
  if (reply.code != 0) {
    return Status(StatusCode::kRefused, "no session of the pool's at " + pool);
  }
  PoolSession session(installation, pool);
  session.settings_ = SettingsOf(reply.output);
  for (const auto& [name, value] : session.settings_) {
    if (name == "FARLANE_SESSION") {
      session.id_ = value->substr(0, value->find('.'));
    }
  }
  return session;
}

PoolSession::PoolSession(PoolSession&& other) noexcept
    : installation_(std::move(other.installation_)),
      pool_(std::move(other.pool_)),
      id_(std::exchange(other.id_, "")),
      settings_(std::move(other.settings_)) {}

PoolSession::~PoolSession() {
  if (!id_.empty()) {
    // If nobody answers, the pool hears from the server that the session is over.
    static_cast<void>(RunSessionProgram(installation_, pool_, {"close", id_}, {}).ok());
  }
}

}  // namespace farlane::cli
