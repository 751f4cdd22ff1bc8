// SPDX-License-Identifier: Apache-2.0
// farlane-poold: gives the sessions of a pool to its GPU servers.
#include <cerrno>
#include <csignal>

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool-manager/api/http_server.h"
#include "pool-manager/api/routes.h"
#include "pool-manager/attach/attach_service.h"
#include "pool-manager/daemon/options.h"
#include "pool-manager/daemon/pool_host.h"
#include "pool-manager/daemon/signing_key_file.h"
#include "pool-manager/daemon/state_session_store.h"
#include "pool-manager/store/sqlite_store.h"
#include "protocol/base/environment.h"
#include "protocol/base/fd.h"
#include "protocol/base/log.h"

namespace farlane::pool {
namespace {

constexpr int kLookMs = 500;

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

Result<std::unique_ptr<PoolHost>> OpenPool(const Options& options) {
  FARLANE_TRY(MakeFolder(options.state_dir));
  FARLANE_ASSIGN(std::unique_ptr<SqliteStore> sqlite,
                 SqliteStore::Open({.path = options.state_dir + "/pool.db", .vfs = {}}));
  FARLANE_ASSIGN(std::unique_ptr<StateSessionStore> store,
                 StateSessionStore::Open(std::move(sqlite), "sqlite"));
  FARLANE_ASSIGN(token::SigningKey key, TakeSigningKey(options.state_dir));
  return PoolHost::Open({.name = options.name}, std::move(store), std::move(key));
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

Status Serve(const Options& options) {
  FARLANE_ASSIGN(const Fd signals, CatchSignals());
  FARLANE_ASSIGN(const std::unique_ptr<PoolHost> host, OpenPool(options));
  FARLANE_ASSIGN(const std::unique_ptr<AttachServer> servers,
                 AttachServer::Start(options.listen_servers, *host, options.join_key));
  const Routes routes(*host, options.token);
  FARLANE_ASSIGN(const std::unique_ptr<HttpServer> people,
                 HttpServer::Start(options.listen, [&routes](const HttpRequest& request) {
                   return routes.Answer(request);
                 }));
  FARLANE_TRY(Announce(options, people->address(), servers->address()));
  while (true) {
    pollfd waiting[2] = {{.fd = signals.get(), .events = POLLIN, .revents = 0},
                         {.fd = options.watch_fd, .events = POLLIN, .revents = 0}};
    poll(waiting, 2, kLookMs);
    if (waiting[0].revents != 0 || waiting[1].revents != 0) {
      LogInfo("ends");
      return Status::Ok();
    }
    host->Look();
  }
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
