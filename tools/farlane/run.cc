// SPDX-License-Identifier: Apache-2.0
// farlane run: an unmodified CUDA program with its GPU elsewhere.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>

#include <sys/mman.h>
#include <unistd.h>

#include "protocol/base/environment.h"
#include "protocol/base/fd.h"
#include "protocol/base/log.h"
#include "protocol/base/net_rate.h"
#include "protocol/base/slice.h"
#include "protocol/transport/address_list.h"
#include "tools/farlane/command.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/on_loss.h"
#include "tools/farlane/pool_client.h"
#include "tools/farlane/pool_wishes.h"
#include "tools/farlane/private_server.h"
#include "tools/farlane/probe.h"
#include "tools/farlane/session_ticket.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

// A fresh server on this machine: it answers at once or never.
constexpr uint64_t kPrivateProbeTimeoutNs = 30'000'000'000;

// Where the software GPU keeps what its processes share.
constexpr char kDevicesFile[] = "FARLANE_SOFT_SHARED";

constexpr uint32_t kPauseSecondsMost = 10;
// As many as lists show of a session's name.
constexpr size_t kShownDigits = 8;

struct RunOptions {
  std::string server;
  std::string pool;
  SliceWords slice;
  PoolWishes wishes;
  std::string net_limit;
  std::string project;
  std::string time_limit;
  std::string deadline;
  std::string on_loss;
  bool local = false;
  bool direct = false;
};

// The command would be told only by its first call.
Status CheckNetLimit(const std::string& text) {
  return text.empty() ? Status::Ok() : ToStatus(ParseNetRate(text));
}

// What to run against: the addresses of servers, or nothing for a private one.
Result<std::string> ChooseServer(const RunOptions& options) {
  if (options.local) {
    return std::string();
  }
  std::string server = options.server;
  if (server.empty()) {
    server = Environment("FARLANE_SERVER").value_or("");
  }
  if (server.empty()) {
    return server;
  }
  FARLANE_ASSIGN(const std::vector<transport::Address> addresses,
                 transport::ParseAddressList(server));
  std::string list;
  for (const transport::Address& address : addresses) {
    list += (list.empty() ? "" : ",") + address.ToString();
  }
  return list;
}

Status CheckLibrary(const std::string& path, const char* what) {
  if (access(path.c_str(), R_OK) != 0) {
    return Status(StatusCode::kNotFound, std::string(what) + " is missing: " + path);
  }
  return Status::Ok();
}

std::string DescribeDriver(const ServerReport& report, const Installation& installation) {
  std::error_code none;  // a path of another file system view is not ours either
  if (std::filesystem::equivalent(report.driver_path, installation.SoftLibrary(), none)) {
    return "software GPU";
  }
  const int32_t version = report.driver_version;
  return "NVIDIA driver for CUDA " + std::to_string(version / 1000) + "." +
         std::to_string(version % 1000 / 10);
}

// Asks the private server before the command starts, so that a driver that cannot work is reported
// once and here, not by every call of the program.
Status Announce(const PrivateServer& server, const Installation& installation, bool silent) {
  FARLANE_ASSIGN(const transport::Address address, transport::Address::Parse(server.address()));
  FARLANE_ASSIGN(const ServerReport report,
                 Probe(address, "", channel::WishedTransport::kUnix, kPrivateProbeTimeoutNs)
                     .While("asking the private server"));
  if (report.verdict != wire::Verdict::kWelcome) {
    return Status(StatusCode::kUnavailable, std::string("the private server says \"") +
                                                VerdictName(report.verdict) +
                                                "\": " + report.reason);
  }
  if (!silent) {
    // Not a log line: it is said whatever the log level is, and --local is how to silence it.
    const std::string line =
        "farlane: no server configured; using a private one on this machine (" +
        DescribeDriver(report, installation) + ")\n";
    [[maybe_unused]] const ssize_t said = write(STDERR_FILENO, line.data(), line.size());
  }
  return Status::Ok();
}

// What is not said here may be said by the caller's environment.
std::vector<Setting> SliceSettings(const SliceWords& slice) {
  std::vector<Setting> settings;
  const auto say = [&settings](const char* name, const std::string& value) {
    if (!value.empty()) {
      settings.push_back({name, value});
    }
  };
  say("FARLANE_MEM", slice.memory);
  say("FARLANE_SHARE", slice.share);
  say("FARLANE_SHARE_LIMIT", slice.share_limit);
  say("FARLANE_PRIORITY", slice.priority);
  say("FARLANE_GPUS", slice.gpus);
  say("FARLANE_ISOLATION", slice.isolation);
  return settings;
}

// What the command is given, so that all its processes are one session of the server.
std::vector<Setting> ClientSettings(const Installation& installation,
                                    const std::string& server,
                                    const std::string& ticket,
                                    const SliceWords& slice,
                                    const std::string& net_limit) {
  std::vector<Setting> settings = {
      {"LD_LIBRARY_PATH", LibraryPathStartingWith(installation.ClientFolder())},
      {"FARLANE_SERVER", server},
      {"FARLANE_SESSION", ticket},
      {"FARLANE_POOL", std::nullopt},
  };
  const std::vector<Setting> wishes = SliceSettings(slice);
  settings.insert(settings.end(), wishes.begin(), wishes.end());
  if (!net_limit.empty()) {
    settings.emplace_back("FARLANE_NET_LIMIT", net_limit);
  }
  return settings;
}

int RunPrivately(const Installation& installation,
                 const RunOptions& options,
                 const SliceRequest& slice,
                 const std::vector<std::string>& command) {
  PrivateServerOptions server_options;
  if (slice.memory_bytes != 0) {
    server_options.memory_bytes = slice.memory_bytes;
  }
  SignalInbox inbox;
  int interrupted_by = 0;
  Result<PrivateServer> started =
      PrivateServer::Start(installation, server_options, &inbox, &interrupted_by);
  if (!started.ok()) {
    return interrupted_by != 0 ? kExitSignalBase + interrupted_by : Fail(started.error());
  }
  PrivateServer& server = started.value();
  if (Status status = Announce(server, installation, options.local); !status.ok()) {
    return Fail(status);
  }
  const Result<std::string> ticket = SessionTicket();
  if (!ticket.ok()) {
    return Fail(ticket.error());
  }
  const std::vector<Setting> settings = ClientSettings(
      installation, server.address(), ticket.value(), options.slice, options.net_limit);
  return RunCommand(command, settings, inbox, [&server] {
    if (const std::optional<std::string> end = server.TakeEnd()) {
      LogError("the private server ended (%s); the command has no GPU any more", end->c_str());
    }
  });
}

int RunAt(const std::string& server,
          const Installation& installation,
          const RunOptions& options,
          const std::vector<std::string>& command) {
  const Result<std::string> ticket = SessionTicket();
  if (!ticket.ok()) {
    return Fail(ticket.error());
  }
  SignalInbox inbox;
  const std::vector<Setting> settings =
      ClientSettings(installation, server, ticket.value(), options.slice, options.net_limit);
  return RunCommand(command, settings, inbox, [] {});
}

// A session that somebody has asked for already, a run around this one perhaps, is used as it is.
std::string ChoosePool(const RunOptions& options) {
  const bool has_server = !options.server.empty() || options.local;
  if (has_server || (options.pool.empty() && Environment("FARLANE_SERVER"))) {
    return "";
  }
  return PoolNamed(options.pool);
}

std::vector<Setting> PoolWishesOf(const RunOptions& options, const std::string& program) {
  std::vector<Setting> wishes = SliceSettings(options.slice);
  const std::vector<Setting> more = WishSettings(options.wishes);
  wishes.insert(wishes.end(), more.begin(), more.end());
  wishes.emplace_back("FARLANE_PROGRAM", program);
  if (!options.project.empty()) {
    wishes.emplace_back("FARLANE_PROJECT", options.project);
  }
  if (!options.time_limit.empty()) {
    wishes.emplace_back("FARLANE_TIME_LIMIT", options.time_limit);
  }
  if (!options.deadline.empty()) {
    wishes.emplace_back("FARLANE_DEADLINE", options.deadline);
  }
  if (!options.net_limit.empty()) {
    wishes.emplace_back("FARLANE_NET_LIMIT", options.net_limit);
  }
  return wishes;
}

std::string NameOf(const LostSession& lost) {
  std::string names;
  for (const std::string& server : lost.servers) {
    names += (names.empty() ? "" : ", ") + server;
  }
  return names.empty()              ? "its GPU server"
         : lost.servers.size() == 1 ? "server " + names
                                    : "one of the servers " + names;
}

// The command has lost its server: people are told why, as far as the pool knows.
void SayLost(const std::string& session, const LostSession& lost) {
  if (!lost.why.empty()) {
    LogWarn("session %s on %s is over: %s", session.substr(0, kShownDigits).c_str(),
            NameOf(lost).c_str(), lost.why.c_str());
  }
}

// One run of the command, in a session of its own. `lost`: the pool's word on the session, if its
// server was lost, and the command has failed by that and by nothing else.
int RunOnceInPool(const std::string& pool,
                  const Installation& installation,
                  const RunOptions& options,
                  const std::vector<std::string>& command,
                  const LossNote& note,
                  std::optional<LostSession>* lost) {
  int code = kExitFarlane;
  const Result<PoolSession> session =
      PoolSession::Open(installation, pool, PoolWishesOf(options, command.front()), &code);
  if (!session.ok()) {
    // 124, as of timeout(1): there was no room in time.
    constexpr int kNoRoom = 8;
    return code == kNoRoom ? kExitQueueTimeout : Fail(session.error());
  }
  SignalInbox inbox;
  std::vector<Setting> settings = {
      {"LD_LIBRARY_PATH", LibraryPathStartingWith(installation.ClientFolder())},
      {"FARLANE_POOL", std::nullopt},
      note.setting(),
  };
  settings.insert(settings.end(), session.value().settings().begin(),
                  session.value().settings().end());
  if (!options.net_limit.empty()) {
    settings.emplace_back("FARLANE_NET_LIMIT", options.net_limit);
  }
  const CommandEnd end = RunCommandOnce(command, settings, inbox, [] {});
  if (note.IsWritten() && end.code != 0 && !end.was_told) {
    *lost = AskAboutLost(installation, pool, session.value().id());
    SayLost(session.value().id(), **lost);
  }
  return end.code;
}

// Whether the command is to be run again, and when it can be.
bool RunsAgain(const std::string& pool,
               const Installation& installation,
               const OnLoss& on_loss,
               const LostSession& lost,
               uint32_t runs) {
  const std::string server = NameOf(lost);
  if (lost.meant) {
    LogWarn("the command is not run again: its session was ended: %s", lost.why.c_str());
    return false;
  }
  if (runs >= OnLoss::kRunsMost) {
    LogWarn("the command has lost its GPU %u times and is not run again", runs);
    return false;
  }
  // A moment, in which the pool hears of it, too; longer each time.
  usleep(std::min(runs, kPauseSecondsMost) * 1'000'000);
  if (on_loss.kind == OnLoss::Kind::kWait) {
    LogWarn("%s is lost; waiting for it for %u s", server.c_str(), on_loss.wait_seconds);
    if (!AwaitServers(installation, pool, lost.servers, on_loss.wait_seconds)) {
      LogWarn("%s has not come back; the command is not run again", server.c_str());
      return false;
    }
  }
  LogWarn("%s was lost; the command is run again, for the %u. time", server.c_str(), runs + 1);
  return true;
}

int RunInPool(const std::string& pool,
              const Installation& installation,
              const RunOptions& options,
              const std::vector<std::string>& command) {
  const std::string what =
      options.on_loss.empty() ? Environment("FARLANE_ON_LOSS").value_or("") : options.on_loss;
  const Result<OnLoss> on_loss = OnLoss::Parse(what);
  if (!on_loss.ok()) {
    return Fail(on_loss.error());
  }
  std::optional<LostSession> lost;
  Result<LossNote> note = LossNote::Make();
  if (!note.ok()) {
    return Fail(note.error());
  }
  for (uint32_t runs = 1;; ++runs) {
    note.value().Clear();
    lost.reset();
    const int code = RunOnceInPool(pool, installation, options, command, note.value(), &lost);
    if (!lost.has_value() || on_loss.value().kind == OnLoss::Kind::kFail ||
        !RunsAgain(pool, installation, on_loss.value(), *lost, runs)) {
      return code;
    }
  }
}

int RunDirectly(const Installation& installation, const std::vector<std::string>& command) {
  if (Status status = CheckLibrary(installation.SoftLibrary(), "the software GPU"); !status.ok()) {
    return Fail(status);
  }
  SignalInbox inbox;
  std::vector<Setting> settings = {
      {"LD_LIBRARY_PATH", LibraryPathStartingWith(installation.SoftFolder())},
  };
  // Its processes share the devices, as those of one machine do: by a file of ours without a name.
  const Fd devices(Environment(kDevicesFile) ? -1 : memfd_create("farlane-devices", MFD_CLOEXEC));
  if (devices.valid()) {
    settings.push_back({kDevicesFile, "/proc/" + std::to_string(getpid()) + "/fd/" +
                                          std::to_string(devices.get())});
  }
  return RunCommand(command, settings, inbox, [] {});
}

Status CheckCommand(const std::vector<std::string>& command) {
  if (command.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "no command to run (farlane run [options] -- COMMAND ARGS; see farlane run "
                  "--help)");
  }
  return Status::Ok();
}

int Run(const RunOptions& options, const std::vector<std::string>& command) {
  if (Status status = CheckCommand(command); !status.ok()) {
    return Fail(status);
  }
  const Result<Installation> found = Installation::Find();
  if (!found.ok()) {
    return Fail(found.error());
  }
  const Installation& installation = found.value();
  if (options.direct) {
    return RunDirectly(installation, command);
  }
  if (const Status status = CheckNetLimit(options.net_limit); !status.ok()) {
    return Fail(status);
  }
  const Result<SliceRequest> slice = ParseSlice(options.slice);
  if (!slice.ok()) {
    return Fail(
        Status(slice.error())
            .While("reading --mem, --share, --share-limit, --priority, --gpus or --isolation"));
  }
  const Result<std::string> server = ChooseServer(options);
  if (!server.ok()) {
    return Fail(server.error());
  }
  if (Status status = CheckLibrary(installation.ClientLibrary(), "the client library");
      !status.ok()) {
    return Fail(status);
  }
  if (const std::string pool = ChoosePool(options); !pool.empty()) {
    return RunInPool(pool, installation, options, command);
  }
  if (!options.on_loss.empty() && options.on_loss != "fail") {
    return Fail(
        Status(StatusCode::kInvalidArgument, "--on-loss " + options.on_loss +
                                                 " needs a pool, which gives the command "
                                                 "another server: say --pool or set FARLANE_POOL"));
  }
  if (server.value().empty()) {
    return RunPrivately(installation, options, slice.value(), command);
  }
  return RunAt(server.value(), installation, options, command);
}

void AddSlice(CLI::App* app, RunOptions* options, CLI::Option* direct) {
  SliceWords* const slice = &options->slice;
  CLI::Option* memory =
      app->add_option("--mem", slice->memory, "device memory that the command may use, e.g. 8Gi");
  CLI::Option* share = app->add_option(
      "--share", slice->share, "part of a GPU's time that the command is promised, e.g. 0.5");
  CLI::Option* limit = app->add_option("--share-limit", slice->share_limit,
                                       "part of a GPU's time that it never gets more than");
  CLI::Option* priority = app->add_option("--priority", slice->priority,
                                          "guaranteed, standard or best-effort [standard]");
  memory->type_name("SIZE");
  share->type_name("PART");
  limit->type_name("PART");
  priority->type_name("CLASS");
  CLI::Option* gpus = app->add_option("-n,--gpus", slice->gpus,
                                      "so many GPUs of the server [all of them]; of a pool [one]");
  CLI::Option* isolation = app->add_option("--isolation", slice->isolation,
                                           "shared, scrubbed, exclusive or mig [shared]");
  gpus->type_name("N");
  isolation->type_name("KIND");
  CLI::Option* net =
      app->add_option("--net-limit", options->net_limit,
                      "the most that it moves over the network, each way, e.g. 100M/s");
  net->type_name("SIZE/s");
  direct->excludes(memory)->excludes(share)->excludes(limit)->excludes(priority);
  direct->excludes(gpus)->excludes(isolation)->excludes(net);
}

}  // namespace

Verb AddRun(CLI::App& root) {
  auto options = std::make_shared<RunOptions>();  // shared by the parser and the verb's action
  CLI::App* app = root.add_subcommand("run", "Run a CUDA program with its GPU elsewhere");
  app->prefix_command();  // what follows the options is not ours
  app->formatter(std::make_shared<HelpFormat>("[OPTIONS] -- COMMAND [ARGS...]"));
  CLI::Option* server = app->add_option("--server", options->server,
                                        "GPU server to use (default: FARLANE_SERVER, else a "
                                        "private one)");
  server->type_name("ADDRESS");
  CLI::Option* local = app->add_flag("--local", options->local,
                                     "use a private server on this machine, without a notice");
  CLI::Option* direct = app->add_flag("--direct", options->direct,
                                      "use the software GPU in the program itself, no server");
  CLI::Option* pool = app->add_option("--pool", options->pool,
                                      "the pool that gives the command a server (default: "
                                      "FARLANE_POOL)");
  pool->type_name("HOST:PORT");
  app->add_option("--project", options->project,
                  "in a pool: whose it is [FARLANE_PROJECT, else \"default\"]")
      ->type_name("NAME");
  app->add_option("--time", options->time_limit,
                  "in a pool: it is ended after this, e.g. 2h; short ones may go before others")
      ->type_name("TIME");
  app->add_option(
         "--deadline", options->deadline,
         "in a pool: it has to begin within this, e.g. 10m, and goes before others of its\n"
         "project that have more time; if it cannot, it is not run")
      ->type_name("TIME");
  app->add_flag("--await-servers", options->wishes.await_servers,
                "in a pool: wait even if no server that it has could ever take the command");
  app->add_option("--on-loss", options->on_loss,
                  "in a pool, if its GPU server is lost: fail; requeue, to run it again on\n"
                  "another one; wait or wait=30s, to run it again when that one is back\n"
                  "[FARLANE_ON_LOSS, else fail]")
      ->type_name("WHAT");
  server->excludes(local)->excludes(direct)->excludes(pool);
  pool->excludes(local)->excludes(direct);
  local->excludes(direct);
  AddSlice(app, options.get(), direct);
  AddPoolWishes(app, &options->wishes);
  app->footer(
      "With nothing configured, a private server is started and ends with the command.\n"
      "Exit code: the command's; 128+N if signal N ended it; 127 if it was not found, 126 if it\n"
      "could not be executed, 125 if farlane itself failed, 124 if the pool had no room in "
      "time.\n\n"
      "Examples:\n"
      "  farlane run -- ./vector_add\n"
      "  farlane run --server tcp://gpu1:7450 -- python3 train.py --epochs 3\n"
      "  farlane run --server tcp://gpu1:7450 --mem 8Gi --share 0.5 -- ./bench\n"
      "  farlane run --pool gpus:7443 --share 0.5 -- ./bench\n"
      "  farlane run --pool gpus:7443 --on-loss requeue -- ./train --from-last-checkpoint\n"
      "  farlane run --direct -- ./vector_add");
  const auto act = [options](const std::vector<std::string>& command) {
    return Run(*options, command);
  };
  return {.app = app, .act = act, .takes_command = true};
}

}  // namespace farlane::cli
