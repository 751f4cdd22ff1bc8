// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/pool_join.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/base/environment.h"
#include "protocol/base/fd.h"
#include "protocol/control/hex.h"
#include "tools/farlane/access_tables.h"
#include "tools/farlane/child_process.h"
#include "tools/farlane/pool_question.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

// Its exit code, once it has ended.
Result<int> RunToEnd(const ChildPlan& plan) {
  FARLANE_ASSIGN(const Started started, StartChild(plan));
  if (started.pid < 0) {
    return Status::FromErrno(StatusCode::kNotFound, "cannot execute " + plan.arguments[0],
                             started.exec_error);
  }
  int status = 0;
  while (waitpid(started.pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

// As farlane-poold has it.
std::string UsualFolder() {
  const auto state = Environment("XDG_STATE_HOME");
  return state ? *state + "/farlane/pool"
               : Environment("HOME").value_or("") + "/.local/state/farlane/pool";
}

// A token that nobody can guess, in a file of its own; one that is there stays.
Status MakeAdminToken(const std::string& path) {
  const Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!file.valid() && errno == EEXIST) {
    return Status::Ok();
  }
  std::array<uint8_t, 32> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return Status::FromErrno(StatusCode::kInternal, "no random numbers", errno);
  }
  const std::string line = control::Hex(bytes) + "\n";
  const bool written = file.valid() && write(file.get(), line.data(), line.size()) ==
                                           static_cast<ssize_t>(line.size());
  return written ? Status::Ok()
                 : Status::FromErrno(StatusCode::kUnavailable, "cannot write " + path, errno);
}

Result<std::string> Revoked(const std::string& /*json*/) {
  return std::string("revoked\n");
}

int CreateJoinKey(const JoinKeyWish& wish) {
  int64_t seconds = 0;
  if (!wish.expires.empty()) {
    const Result<int64_t> parsed = ParseLifetime(wish.expires);
    if (!parsed.ok()) {
      return Fail(parsed.error());
    }
    seconds = parsed.value();
  }
  const nlohmann::json body = {
      {"kind", wish.kind}, {"lifetimeSeconds", std::to_string(seconds)}, {"note", wish.note}};
  return AskAndPrint({.pool = wish.pool,
                      .method = "POST",
                      .path = "/v1/join-keys",
                      .body = body.dump(),
                      .format = wish.format,
                      .text = &SecretText});
}

}  // namespace

int InitPool(const Installation& installation, const PoolInitWish& wish) {
  const std::string folder = wish.folder.empty() ? UsualFolder() : wish.folder;
  ChildPlan plan;
  plan.arguments = {
      installation.ManagerProgram(), "--init", "--state-dir", folder, "--log-level", "warn"};
  if (!wish.name.empty()) {
    plan.arguments.insert(plan.arguments.end(), {"--name", wish.name});
  }
  if (!wish.seal_key_file.empty()) {
    plan.arguments.insert(plan.arguments.end(), {"--seal-key-file", wish.seal_key_file});
  }
  const Result<int> code = RunToEnd(plan);
  if (!code.ok() || code.value() != 0) {
    return code.ok() ? code.value() : Fail(code.error());
  }
  const std::string token = folder + "/admin.token";
  if (const Status status = MakeAdminToken(token); !status.ok()) {
    return Fail(status);
  }
  fprintf(stderr,
          "That is the pin of the pool's authority: whoever knows it knows the pool's managers "
          "(FARLANE_CA_PIN).\n"
          "%s has the admin's token: whoever has it may do everything. Start the manager:\n\n"
          "  farlane-poold --state-dir %s%s --token-file %s --listen HOST:7443\n\n"
          "and let servers join, each by a key of its own (farlane pool join-key create).\n",
          token.c_str(), folder.c_str(),
          wish.seal_key_file.empty() ? "" : (" --seal-key-file " + wish.seal_key_file).c_str(),
          token.c_str());
  return 0;
}

int JoinPool(const Installation& installation, const PoolJoinWish& wish) {
  if (wish.key_file.empty() || wish.folder.empty()) {
    return Fail(Status(StatusCode::kInvalidArgument,
                       "farlane pool join needs --key-file FILE, with a key of \"farlane pool "
                       "join-key create\", and --state-dir FOLDER, for what is to be kept"));
  }
  ChildPlan plan;
  plan.arguments = {installation.SessionProgram(),
                    "--pool",
                    wish.pool,
                    "join",
                    "--key-file",
                    wish.key_file,
                    "--state-dir",
                    wish.folder};
  if (!wish.seal_key_file.empty()) {
    plan.arguments.insert(plan.arguments.end(), {"--seal-key-file", wish.seal_key_file});
  }
  if (!wish.pin.empty()) {
    plan.settings.emplace_back("FARLANE_CA_PIN", wish.pin);
  }
  const Result<int> code = RunToEnd(plan);
  return code.ok() ? code.value() : Fail(code.error());
}

int ActOnJoinKeys(const JoinKeyWish& wish) {
  if ((wish.action == "revoke") == wish.id.empty()) {
    return Fail(Status(StatusCode::kInvalidArgument,
                       wish.id.empty() ? "which key? farlane pool join-key list shows their ids"
                                       : "farlane pool join-key " + wish.action + " takes no id"));
  }
  if (wish.action == "create") {
    return CreateJoinKey(wish);
  }
  if (wish.action == "revoke") {
    return AskAndPrint({.pool = wish.pool,
                        .method = "DELETE",
                        .path = "/v1/join-keys/" + wish.id,
                        .format = wish.format,
                        .text = &Revoked});
  }
  if (wish.action != "list") {
    return Fail(
        Status(StatusCode::kInvalidArgument,
               "farlane pool join-key create, list or revoke, not \"" + wish.action + "\""));
  }
  return AskAndPrint(
      {.pool = wish.pool, .path = "/v1/join-keys", .format = wish.format, .text = &JoinKeysTable});
}

}  // namespace farlane::cli
