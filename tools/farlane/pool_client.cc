// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/pool_client.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/base/environment.h"
#include "protocol/base/fd.h"
#include "tools/farlane/progress.h"

namespace farlane::cli {
namespace {

// The list of ten thousand servers is a tenth of this.
constexpr size_t kOutputBytesMax = 256 << 20;

using Reading = std::function<bool(std::string_view bytes)>;

// Until it ends, or `take` wants no more.
void ReadFrom(int descriptor, const Reading& take) {
  char bytes[16384];
  while (true) {
    const ssize_t got = read(descriptor, bytes, sizeof bytes);
    if (got == 0 || (got < 0 && errno != EINTR) ||
        (got > 0 && !take({bytes, static_cast<size_t>(got)}))) {
      return;
    }
  }
}

// The program's exit code.
Result<int> RunSessionProgram(const Installation& installation,
                              const std::string& pool,
                              const std::vector<std::string>& words,
                              std::vector<Setting> settings,
                              const Reading& take) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return Status::FromErrno(StatusCode::kExhausted, "cannot make a pipe", errno);
  }
  Fd output(ends[0]);
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
  ReadFrom(output.get(), take);
  output.Reset();
  int status = 0;
  while (waitpid(started.pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

Result<PoolReply> RunSessionProgram(const Installation& installation,
                                    const std::string& pool,
                                    const std::vector<std::string>& words,
                                    std::vector<Setting> settings) {
  PoolReply reply;
  FARLANE_ASSIGN(reply.code, RunSessionProgram(installation, pool, words, std::move(settings),
                                               [&reply](std::string_view bytes) {
                                                 reply.output.append(bytes);
                                                 return reply.output.size() < kOutputBytesMax;
                                               }));
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

Result<PoolReply> AskPoolQuietly(const Installation& installation,
                                 const std::string& pool,
                                 const std::string& method,
                                 const std::string& path) {
  return RunSessionProgram(installation, pool, {"--quiet", "ask", method, path}, {});
}

Result<PoolReply> AskPoolForList(const Installation& installation,
                                 const std::string& pool,
                                 const std::string& path,
                                 const std::string& member) {
  nlohmann::ordered_json all = {{member, nlohmann::ordered_json::array()}};
  std::string next;
  Progress progress("list");
  do {
    const std::string page = next.empty() ? path : path + "?continue=" + next;
    FARLANE_ASSIGN(PoolReply reply, AskPool(installation, pool, "GET", page));
    if (reply.code != 0) {
      return reply;
    }
    auto said = nlohmann::ordered_json::parse(reply.output, nullptr, false);
    if (!said.is_object() || !said.contains(member) || !said[member].is_array()) {
      return Status(StatusCode::kCorrupt, "the pool's answer is not understood");
    }
    for (auto& one : said[member]) {
      all[member].push_back(std::move(one));
    }
    progress.Say(std::to_string(all[member].size()) + " so far");
    const auto more = said.find("continue");
    next = more != said.end() && more->is_string() ? more->get<std::string>() : "";
  } while (!next.empty());
  return PoolReply{.code = 0, .output = all.dump() + "\n"};
}

Result<int> WatchPool(const Installation& installation,
                      const std::string& pool,
                      const std::string& path,
                      const std::function<bool(const std::string& line)>& take) {
  std::string unread;
  return RunSessionProgram(installation, pool, {"watch", path}, {}, [&](std::string_view bytes) {
    unread.append(bytes);
    for (size_t end = unread.find('\n'); end != std::string::npos; end = unread.find('\n')) {
      if (!take(unread.substr(0, end + 1))) {
        return false;
      }
      unread.erase(0, end + 1);
    }
    return true;
  });
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
