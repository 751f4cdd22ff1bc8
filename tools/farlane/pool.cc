// SPDX-License-Identifier: Apache-2.0
// farlane pool: a pool on this machine by one command, and how a pool is.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/environment.h"
#include "protocol/base/log.h"
#include "tools/farlane/background_program.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/output_format.h"
#include "tools/farlane/pool_client.h"
#include "tools/farlane/pool_join.h"
#include "tools/farlane/pool_operate.h"
#include "tools/farlane/pool_question.h"
#include "tools/farlane/pool_tables.h"
#include "tools/farlane/progress.h"
#include "tools/farlane/signal_inbox.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

// A server attaches as soon as it serves.
constexpr uint64_t kAttachNs = 30'000'000'000;

struct PoolOptions {
  std::string topic;
  std::string file;
  std::string pool;
  std::string format;
  std::string listen = "127.0.0.1:7443";
  std::string state_dir;
  std::string driver = "auto";
  std::string memory;
  std::string name;
  std::string id;
  std::string seal_key_file;
  std::string pin;
  std::string key_file;
  std::string kind;
  std::string expires;
  std::string note;
  int ready_fd = -1;
};

int ShowStatus(const Installation& installation, const PoolOptions& options) {
  const std::string pool = PoolNamed(options.pool);
  const bool is_status = options.topic == "status";
  const Result<PoolReply> reply =
      AskPool(installation, pool, "GET", is_status ? "/v1/status" : "/v1/openapi.json");
  if (!reply.ok()) {
    return Fail(reply.error());
  }
  if (reply.value().code != 0) {
    return reply.value().code;
  }
  const Result<std::string> text = !is_status || options.format == "json"
                                       ? reply.value().output
                                       : StatusText(reply.value().output);
  if (!text.ok()) {
    return Fail(text.error());
  }
  fputs(text.value().c_str(), stdout);
  return 0;
}

BackgroundPlan ManagerPlan(const Installation& installation, const PoolOptions& options) {
  BackgroundPlan plan{.name = "the pool's manager",
                      .arguments = {installation.ManagerProgram(), "--listen", options.listen,
                                    "--log-level", Environment("FARLANE_LOG").value_or("warn")},
                      .lines_count = 2};
  if (!options.state_dir.empty()) {
    plan.arguments.insert(plan.arguments.end(), {"--state-dir", options.state_dir});
  }
  if (!options.name.empty()) {
    plan.arguments.insert(plan.arguments.end(), {"--name", options.name});
  }
  return plan;
}

BackgroundPlan ServerPlan(const Installation& installation,
                          const PoolOptions& options,
                          const std::string& manager) {
  const std::string host = manager.substr(0, manager.rfind(':'));
  BackgroundPlan plan{
      .name = "the GPU server",
      .arguments = {installation.ServerProgram(), "--listen", "tcp://" + host + ":0", "--driver",
                    options.driver, "--pool", manager, "--log-level",
                    Environment("FARLANE_LOG").value_or("warn")}};
  if (!options.memory.empty()) {
    plan.arguments.insert(plan.arguments.end(), {"--mem", options.memory});
  }
  return plan;
}

Status AwaitServer(const Installation& installation, const std::string& pool) {
  const uint64_t until_ns = NowNs() + kAttachNs;
  Progress progress("pool up");
  while (NowNs() < until_ns) {
    progress.Say("the manager is there, the GPU server not yet");
    FARLANE_ASSIGN(const PoolReply reply, AskPool(installation, pool, "GET", "/v1/status"));
    if (reply.code != 0) {
      return Status(StatusCode::kUnavailable, "the manager that was started does not answer");
    }
    FARLANE_ASSIGN(const uint64_t ready, ReadyServers(reply.output));
    if (ready > 0) {
      return Status::Ok();
    }
    usleep(50'000);
  }
  return Status(StatusCode::kTimeout, "the GPU server does not come to the pool");
}

Status Tell(const PoolOptions& options, const std::string& pool) {
  printf(
      "The pool is up. A program uses it so, here or wherever this address is reached:\n\n"
      "  export FARLANE_POOL=%s\n"
      "  farlane run -- ./program\n\n"
      "farlane server list and farlane session list --pool %s show what there is. Ctrl-C ends "
      "the pool.\n",
      pool.c_str(), pool.c_str());
  const bool said = fflush(stdout) == 0;
  const std::string line = pool + "\n";
  if (options.ready_fd >= 0 &&
      write(options.ready_fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    return Status(StatusCode::kInvalidArgument, "cannot write to the descriptor of --ready-fd");
  }
  return said ? Status::Ok() : Status(StatusCode::kUnavailable, "cannot write the answer");
}

// Until a signal comes (true), or one of both has ended.
bool Attend(SignalInbox& inbox, BackgroundProgram& manager, BackgroundProgram& server) {
  while (true) {
    pollfd waiting{.fd = inbox.fd(), .events = POLLIN, .revents = 0};
    poll(&waiting, 1, 1000);
    while (const std::optional<signalfd_siginfo> signal = inbox.Take()) {
      const auto number = static_cast<int>(signal->ssi_signo);
      if (number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT) {
        return true;
      }
    }
    if (const auto end = manager.TakeEnd()) {
      LogError("the pool's manager has ended (%s)", end->c_str());
      return false;
    }
    if (const auto end = server.TakeEnd()) {
      LogError("the GPU server has ended (%s)", end->c_str());
      return false;
    }
  }
}

int Up(const Installation& installation, const PoolOptions& options) {
  SignalInbox inbox;
  int interrupted_by = 0;
  const auto fail = [&interrupted_by](const Status& status) {
    return interrupted_by != 0 ? kExitSignalBase + interrupted_by : Fail(status);
  };
  Result<BackgroundProgram> manager =
      BackgroundProgram::Start(ManagerPlan(installation, options), &inbox, &interrupted_by);
  if (!manager.ok()) {
    return fail(manager.error());
  }
  const std::string people = manager.value().lines()[0];
  Result<BackgroundProgram> server = BackgroundProgram::Start(
      ServerPlan(installation, options, manager.value().lines()[1]), &inbox, &interrupted_by);
  if (!server.ok()) {
    return fail(server.error());
  }
  if (const Status status = AwaitServer(installation, people); !status.ok()) {
    return fail(status);
  }
  if (const Status status = Tell(options, people); !status.ok()) {
    return fail(status);
  }
  return Attend(inbox, manager.value(), server.value()) ? 0 : 1;
}

Result<std::string> Rotated(const std::string& /*json*/) {
  return std::string("tokens are signed by a new key within two seconds; sessions go on\n");
}

Status Check(const PoolOptions& options) {
  const bool wants_file = options.topic == "backup" || options.topic == "restore";
  const bool wants_word = wants_file || options.topic == "join-key";
  if (wants_word == options.file.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  wants_file   ? "which file? farlane pool " + options.topic + " FILE"
                  : wants_word ? "farlane pool join-key create, list or revoke?"
                               : "farlane pool " + options.topic + " takes no file");
  }
  if (!options.id.empty() && options.topic != "join-key") {
    return Status(StatusCode::kInvalidArgument, "farlane pool " + options.topic + " takes no id");
  }
  const bool asks = options.topic != "up" && options.topic != "init" && options.topic != "restore";
  return asks ? PoolRequired(options.pool).error() : Status::Ok();
}

int Act(const PoolOptions& options) {
  const Status status = Check(options);
  const Result<Installation> found = Installation::Find();
  if (!status.ok() || !found.ok()) {
    return Fail(status.ok() ? found.error() : status);
  }
  if (options.topic == "rotate") {
    return AskAndPrint({.pool = options.pool,
                        .method = "POST",
                        .path = "/v1/keys:rotate",
                        .format = options.format,
                        .text = &Rotated});
  }
  const Installation& installation = found.value();
  const std::string pool = PoolNamed(options.pool);
  if (options.topic == "init") {
    return InitPool(installation, {.folder = options.state_dir,
                                   .name = options.name,
                                   .seal_key_file = options.seal_key_file});
  }
  if (options.topic == "join") {
    return JoinPool(installation, {.pool = pool,
                                   .pin = options.pin,
                                   .key_file = options.key_file,
                                   .folder = options.state_dir,
                                   .seal_key_file = options.seal_key_file});
  }
  if (options.topic == "join-key") {
    return ActOnJoinKeys({.action = options.file,
                          .id = options.id,
                          .kind = options.kind,
                          .expires = options.expires,
                          .note = options.note,
                          .pool = options.pool,
                          .format = options.format});
  }
  return options.topic == "up"          ? Up(installation, options)
         : options.topic == "backup"    ? BackUpPool(installation, pool, options.file)
         : options.topic == "restore"   ? RestorePool(installation, options.state_dir, options.file)
         : options.topic == "step-down" ? StepDownPool(installation, pool)
                                        : ShowStatus(installation, options);
}

// The options of those who found a pool, or join it.
void AddJoinOptions(CLI::App* app, PoolOptions* options) {
  app->add_option("--seal-key-file", options->seal_key_file,
                  "of init and join: what the manager's keys are sealed with [in --state-dir]")
      ->type_name("FILE");
  app->add_option("--pin", options->pin,
                  "of join: the pin of the pool's authority (default: FARLANE_CA_PIN)")
      ->type_name("DIGEST");
  app->add_option("--key-file", options->key_file, "of join: the join key is on its first line")
      ->type_name("FILE");
  app->add_option("--for", options->kind,
                  "of join-key create: who joins by it, server or manager [server]")
      ->type_name("KIND");
  app->add_option("--expires", options->expires,
                  "of join-key create: after this it is worth nothing [1h]")
      ->type_name("TIME");
  app->add_option("--note", options->note, "of join-key create: what it is for")->type_name("TEXT");
}

constexpr char kFooter[] =
    "\"up\" runs a manager (farlane-poold) and a GPU server (farlane-gpud) on this machine until\n"
    "it is interrupted. More servers join with farlane-gpud --pool HOST:PORT, where PORT is the\n"
    "one after the pool's. \"openapi\" prints the description of all that can be asked.\n\n"
    "\"init\" makes what a pool's first manager needs: an authority, whose pin it prints, and the\n"
    "admin's token. \"join-key create\" prints a key by which one server or manager joins, once\n"
    "and within an hour; \"join\" makes this machine that server or manager.\n\n"
    "\"backup\" saves what a running pool has stored; \"restore\" puts that in the place of what\n"
    "a stopped manager on this machine has. \"step-down\" lets another manager lead. \"rotate\"\n"
    "gives the pool a new key to sign tokens with, and the manager a new certificate.\n\n"
    "Exit code: 0; 1 if one of both ends; 125 if it cannot start; of what asks the pool as of\n"
    "\"farlane server\".\n\n"
    "Examples:\n"
    "  farlane pool up\n"
    "  FARLANE_POOL=127.0.0.1:7443 farlane run -- ./vector_add\n"
    "  farlane pool status --pool 127.0.0.1:7443\n"
    "  farlane pool init --state-dir /var/lib/farlane/pool\n"
    "  (umask 077; farlane pool join-key create --note gpu7 > gpu7.key)\n"
    "  farlane pool join --pool gpus:7443 --pin DIGEST --key-file gpu7.key --state-dir "
    "/var/lib/farlane/gpud\n"
    "  farlane pool backup pool-2025-11-23.db --pool gpus:7443";

}  // namespace

Verb AddPool(CLI::App& root) {
  auto options = std::make_shared<PoolOptions>();  // shared by the parser and the verb's action
  CLI::App* app = root.add_subcommand("pool", "Start a pool of GPU servers, and see how it is");
  app->formatter(std::make_shared<HelpFormat>(
      "up|init|join|join-key|status|openapi|backup|restore|step-down|rotate [OPTIONS] [FILE]"));
  const std::vector<std::string> topics = {"up",      "init",   "join",    "join-key",  "status",
                                           "openapi", "backup", "restore", "step-down", "rotate"};
  app->add_option("topic", options->topic,
                  "\"up\", \"init\", \"join\", \"join-key\", \"status\", \"openapi\", \"backup\", "
                  "\"restore\", \"step-down\" or \"rotate\"")
      ->required()
      ->check(CLI::IsMember(topics))
      ->type_name("");
  app->add_option("file", options->file,
                  "of backup and restore; of join-key: \"create\", \"list\" or \"revoke\"")
      ->type_name("");
  app->add_option("id", options->id, "of join-key revoke: the key")->type_name("");
  AddPoolOption(app, &options->pool);
  app->add_option("--listen", options->listen,
                  "of up: where people and programs come "
                  "[127.0.0.1:7443]")
      ->type_name("HOST:PORT");
  app->add_option("--driver", options->driver,
                  "of up: auto, nvidia, soft or the path of a libcuda [auto]")
      ->type_name("DRIVER");
  app->add_option("--mem", options->memory, "of up: memory of each GPU that a session may use")
      ->type_name("SIZE");
  app->add_option("--name", options->name, "of up and init: the pool's name [default]")
      ->type_name("NAME");
  app->add_option("--state-dir", options->state_dir,
                  "of up, init, join and restore: the folder for what must survive "
                  "[~/.local/state/farlane/pool]")
      ->type_name("FOLDER");
  app->add_option("--ready-fd", options->ready_fd,
                  "of up: write the address to this descriptor once programs may come")
      ->type_name("N");
  AddJoinOptions(app, options.get());
  AddOutputFormat(app, &options->format);
  app->footer(kFooter);
  const auto act = [options](const std::vector<std::string>&) { return Act(*options); };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli
