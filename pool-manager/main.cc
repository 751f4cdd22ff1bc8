// SPDX-License-Identifier: Apache-2.0
// farlane-poold: gives the sessions of a pool to its GPU servers.
#include <cerrno>
#include <csignal>
#include <cstring>

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool-manager/api/http_server.h"
#include "pool-manager/api/routes.h"
#include "pool-manager/attach/attach_service.h"
#include "pool-manager/daemon/office.h"
#include "pool-manager/daemon/options.h"
#include "pool-manager/daemon/signing_key_file.h"
#include "pool-manager/store/etcd_store.h"
#include "pool-manager/store/sqlite_backup.h"
#include "pool-manager/store/sqlite_store.h"
#include "protocol/base/environment.h"
#include "protocol/base/fd.h"
#include "protocol/base/log.h"
#include "protocol/transport/address.h"

namespace farlane::pool {
namespace {

constexpr int kLookMs = 500;
// Nobody else can have a store of this machine's: it is led at once.
constexpr uint64_t kTermNs = 20'000'000'000;

// Before any thread is started: they inherit what is blocked.
Result<Fd> CatchSignals() {
  sigset_t caught;
  sigemptyset(&caught);
  sigaddset(&caught, SIGTERM);
  sigaddset(&caught, SIGINT);
  Fd signals;
  if (sigprocmask(SIG_BLOCK, &caught, nullptr) == 0) {
    signals = Fd(signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  if (!signals.valid()) {
    return Status::FromErrno(StatusCode::kInternal, "cannot wait for signals", errno);
  }
  return signals;
}

// The folder and all above it.
Status MakeFolder(const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    mkdir(path.substr(0, slash).c_str(), S_IRWXU);
  }
  if (mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return Status::FromErrno(StatusCode::kUnavailable, "cannot make the folder " + path, errno);
  }
  return Status::Ok();
}

std::string FileOf(const Options& options) {
  return options.state_dir + "/pool.db";
}

Result<std::unique_ptr<StateStore>> OpenStore(const Options& options) {
  if (!options.etcd.empty()) {
    EtcdStore::Options etcd;
    etcd.endpoints = options.etcd;
    FARLANE_ASSIGN(std::unique_ptr<EtcdStore> store, EtcdStore::Open(etcd));
    return std::unique_ptr<StateStore>(std::move(store));
  }
  SqliteStore::Options sqlite;
  sqlite.path = FileOf(options);
  FARLANE_ASSIGN(std::unique_ptr<SqliteStore> store, SqliteStore::Open(sqlite));
  return std::unique_ptr<StateStore>(std::move(store));
}

Status Announce(const Options& options, const std::string& people, const std::string& servers) {
  LogInfo("pool \"%s\": people and programs at http://%s, servers at %s", options.name.c_str(),
          people.c_str(), servers.c_str());
  if (options.ready_fd >= 0) {
    const std::string lines = people + "\n" + servers + "\n";
    const bool written =
        write(options.ready_fd, lines.data(), lines.size()) == static_cast<ssize_t>(lines.size());
    close(options.ready_fd);
    if (!written) {
      return Status::FromErrno(StatusCode::kInvalidArgument,
                               "cannot write to the descriptor of --ready-fd", errno);
    }
  }
  return Status::Ok();
}

// Until a signal comes, or the watched descriptor ends.
void AttendTo(Office& office, const Fd& signals, int watch_fd) {
  while (true) {
    pollfd waiting[2] = {{.fd = signals.get(), .events = POLLIN, .revents = 0},
                         {.fd = watch_fd, .events = POLLIN, .revents = 0}};
    poll(waiting, 2, kLookMs);
    if (waiting[0].revents != 0 || waiting[1].revents != 0) {
      LogInfo("ends");
      return;
    }
    office.Look();
  }
}

Status Serve(const Options& options) {
  FARLANE_ASSIGN(const Fd signals, CatchSignals());
  FARLANE_TRY(MakeFolder(options.state_dir));
  if (!options.restore.empty()) {
    FARLANE_TRY(RestoreStore({.backup = options.restore, .store = FileOf(options)}));
    LogInfo("the pool in %s is as %s has it", options.state_dir.c_str(), options.restore.c_str());
    return Status::Ok();
  }
  FARLANE_ASSIGN(const std::unique_ptr<StateStore> store, OpenStore(options));
  FARLANE_ASSIGN(token::SigningKey key, TakeSigningKey(options.state_dir));
  FARLANE_ASSIGN(const std::unique_ptr<AttachServer> servers,
                 AttachServer::Start(options.listen_servers, options.join_key));
  FARLANE_ASSIGN(const transport::Address wanted,
                 transport::Address::Parse("tcp://" + options.listen));
  transport::Address bound;
  FARLANE_ASSIGN(Fd listener, transport::Listen(wanted, &bound));
  const std::string people = bound.ToString().substr(strlen("tcp://"));
  PoolHost::Settings pool{
      .name = options.name, .placement = options.placement, .scratch_dir = options.state_dir};
  if (options.etcd.empty()) {
    pool.backup = [&options](const std::string& path) {
      return CopyStore({.from = FileOf(options), .to = path, .from_vfs = {}});
    };
  }
  Office office(*store,
                {.pool = std::move(pool),
                 .own = {.people = people, .servers = servers->address()},
                 .store_kind = options.etcd.empty() ? "sqlite" : "etcd",
                 .sole = options.etcd.empty()},
                std::move(key));
  const Routes routes(office, options.token);
  FARLANE_ASSIGN(const std::unique_ptr<HttpServer> http,
                 HttpServer::Start(std::move(listener), [&routes](const HttpRequest& request) {
                   return routes.Answer(request);
                 }));
  servers->Serve(&office);
  if (options.etcd.empty() && !office.AwaitTerm(kTermNs)) {
    return Status(StatusCode::kUnavailable, "the store in " + options.state_dir + " cannot be led");
  }
  FARLANE_TRY(Announce(options, people, servers->address()));
  AttendTo(office, signals, options.watch_fd);
  // Streams first: they lead into the office.
  servers->Serve(nullptr);
  servers->Stop();
  return Status::Ok();
}

}  // namespace
}  // namespace farlane::pool

int main(int argc, char** argv) {
  farlane::SetLogName("farlane-poold");
  const farlane::pool::CommandLine line =
      farlane::pool::ReadCommandLine(argc, argv, FARLANE_VERSION);
  if (line.exit.has_value()) {
    return *line.exit;
  }
  if (line.options.log_level.has_value()) {
    farlane::SetLogLevel(*line.options.log_level);
  } else if (!farlane::Environment("FARLANE_LOG").has_value()) {
    farlane::SetLogLevel(farlane::LogLevel::kInfo);
  }
  signal(SIGPIPE, SIG_IGN);
  const farlane::Status status = farlane::pool::Serve(line.options);
  if (!status.ok()) {
    farlane::LogError("%s", status.message().c_str());
    return 1;
  }
  return 0;
}
