// SPDX-License-Identifier: Apache-2.0
// farlane-session: asks a pool's manager, for the command line and for the client library.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iterator>

#include "protocol/base/log.h"
#include "tools/session/join_pool.h"
#include "tools/session/open_session.h"
#include "tools/session/pool_request.h"
#include "tools/session/watch_pool.h"

namespace farlane::session {
namespace {

struct Words {
  std::string pool;
  std::string id;
  PoolRequest request;
  JoinWish join;
  bool has_body = false;
  bool quiet = false;
  std::string body;
};

std::string ReadAll(FILE* file) {
  std::string text;
  char bytes[4096];
  for (size_t got = fread(bytes, 1, sizeof bytes, file); got > 0;
       got = fread(bytes, 1, sizeof bytes, file)) {
    text.append(bytes, got);
  }
  return text;
}

int Fail(const Status& why, int code) {
  LogError("%s", why.message().c_str());
  return code;
}

int Open(const PoolAddress& pool) {
  int code = 0;
  const Result<OpenedSession> opened = OpenSession(pool, &code);
  if (!opened.ok()) {
    return Fail(opened.error(), code);
  }
  const bool said = fputs(opened.value().settings.c_str(), stdout) >= 0 && fflush(stdout) == 0;
  return said ? 0 : 1;
}

int Join(const PoolAddress& pool, const JoinWish& wish) {
  int code = 0;
  const Result<std::string> joined = JoinPool(pool, wish, &code);
  if (!joined.ok()) {
    return Fail(joined.error(), code);
  }
  return fputs(joined.value().c_str(), stdout) >= 0 && fflush(stdout) == 0 ? 0 : 1;
}

int AskAndPrint(const PoolAddress& pool, const PoolRequest& request, bool print) {
  const Result<PoolAnswer> answer = Ask(pool, request);
  if (!answer.ok()) {
    return Fail(answer.error(), ExitCodeOf(answer.error()));
  }
  const int code = ExitCodeOf(answer.value());
  if (code != 0) {
    LogError("%s", ProblemText(answer.value()).c_str());
  } else if (print) {
    const std::string& body = answer.value().body;  // not a text, perhaps
    fwrite(body.data(), 1, body.size(), stdout);
  }
  return fflush(stdout) == 0 ? code : 1;
}

int Act(const CLI::App& app, const Words& words) {
  if (words.quiet) {
    SetLogLevel(LogLevel::kNone);
  }
  if (!words.pool.empty()) {
    setenv("FARLANE_POOL", words.pool.c_str(), 1);
  }
  const Result<PoolAddress> pool = PoolAddress::FromEnvironment();
  if (!pool.ok()) {
    return Fail(pool.error(), 2);
  }
  if (app.got_subcommand("open")) {
    return Open(pool.value());
  }
  if (app.got_subcommand("close")) {
    return AskAndPrint(
        pool.value(),
        {.method = "DELETE", .path = "/v1/sessions/" + words.id, .body = {}, .sink = {}}, false);
  }
  if (app.got_subcommand("watch")) {
    return WatchPool(pool.value(), words.request.path);
  }
  if (app.got_subcommand("join")) {
    return Join(pool.value(), words.join);
  }
  PoolRequest request = words.request;
  request.body = words.has_body ? ReadAll(stdin) : words.body;
  return AskAndPrint(pool.value(), request, true);
}

}  // namespace
}  // namespace farlane::session

int main(int argc, char** argv) {
  farlane::SetLogName("farlane");
  farlane::session::Words words;
  CLI::App app("Asks the manager of a pool.", "farlane-session");
  app.add_option("--pool", words.pool, "HOST:PORT [FARLANE_POOL]");
  app.add_flag("--quiet", words.quiet, "Say nothing of what goes wrong");
  app.require_subcommand(1);
  app.add_subcommand("open", "Ask for a session, and print what its programs need");
  app.add_subcommand("close", "Give a session back")->add_option("id", words.id)->required();
  app.add_subcommand("watch", "Print what comes, changes and goes, a line each")
      ->add_option("path", words.request.path)
      ->required();
  CLI::App* const join = app.add_subcommand("join", "Join the pool by a join key");
  join->add_option("--key-file", words.join.key_file)->required();
  join->add_option("--state-dir", words.join.folder)->required();
  join->add_option("--seal-key-file", words.join.seal_key_file);
  CLI::App* const ask = app.add_subcommand("ask", "Send a request and print the answer");
  ask->add_option("method", words.request.method)->required();
  ask->add_option("path", words.request.path)->required();
  ask->add_option("--text", words.body, "with this");
  ask->add_flag("--body", words.has_body, "with what stands on the standard input");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // the parser's own way of saying that it is done
    return app.exit(error) == 0 ? 0 : 2;
  }
  return farlane::session::Act(app, words);
}
