// SPDX-License-Identifier: Apache-2.0
// farlane-poold: gives the sessions of a pool to its GPU servers.
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include <poll.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "pool-manager/api/http_server.h"
#include "pool-manager/api/routes.h"
#include "pool-manager/attach/attach_service.h"
#include "pool-manager/daemon/key_ring.h"
#include "pool-manager/daemon/office.h"
#include "pool-manager/daemon/options.h"
#include "pool-manager/daemon/shared_keys.h"
#include "pool-manager/store/etcd_store.h"
#include "pool-manager/store/sqlite_backup.h"
#include "pool-manager/store/sqlite_store.h"
#include "pool-manager/trust/audit_verify.h"
#include "pool-manager/trust/tls_home.h"
#include "protocol/base/clock.h"
#include "protocol/base/environment.h"
#include "protocol/base/fd.h"
#include "protocol/base/log.h"
#include "protocol/base/own_folder.h"
#include "protocol/control/hex.h"
#include "protocol/pki/secret_file.h"
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

// Who this manager is, whatever its address and its keys are.
Result<std::string> TakeManagerId(const std::string& folder) {
  const std::string path = folder + "/manager.id";
  FARLANE_ASSIGN(std::optional<std::string> known, pki::ReadSecretFile(path));
  if (known.has_value()) {
    return std::move(*known);
  }
  std::array<uint8_t, 8> id{};
  if (getrandom(id.data(), id.size(), 0) != static_cast<ssize_t>(id.size())) {
    return Status::FromErrno(StatusCode::kInternal, "no random numbers", errno);
  }
  FARLANE_TRY(pki::WriteSecretFile(path, control::Hex(id)));
  return control::Hex(id);
}

Status Announce(const Options& options, const std::string& people, const std::string& servers) {
  LogInfo("pool \"%s\": people and programs at http%s://%s, servers at %s", options.name.c_str(),
          options.tls ? "s" : "", people.c_str(), servers.c_str());
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

// The names that --listen says, where it says one at all.
std::vector<std::string> NamesOf(const Options& options) {
  std::vector<std::string> names = options.names;
  for (const std::string& listen : {options.listen, options.listen_servers}) {
    const Result<transport::Address> address = transport::Address::Parse("tcp://" + listen);
    if (address.ok() && address.value().host != "0.0.0.0" && address.value().host != "::") {
      names.push_back(address.value().host);
    }
  }
  return names;
}

Result<std::unique_ptr<TlsHome>> OpenTls(const Options& options, const pki::Safe& safe) {
  FARLANE_ASSIGN(std::unique_ptr<TlsHome> tls,
                 TlsHome::Open(options.state_dir, safe, options.name, NamesOf(options)));
  LogInfo("the pool's authority is %s, its pin %s", tls->FileOf("ca.pem").c_str(),
          tls->pin().c_str());
  return tls;
}

HttpTls PeopleSee(const Options& options, const TlsHome& tls) {
  if (!options.certificate.empty()) {
    return {.certificate = options.certificate, .key = options.certificate_key};
  }
  const pki::KeyPair own = tls.manager();
  return {.certificate = own.certificate, .key = own.key};
}

Status Init(const Options& options) {
  FARLANE_TRY(MakeOwnFolder(options.state_dir));
  FARLANE_ASSIGN(const pki::Safe safe, pki::Safe::Open(options.state_dir, options.seal_key_file));
  FARLANE_ASSIGN(const std::unique_ptr<TlsHome> tls, OpenTls(options, safe));
  const bool said = printf("%s\n", tls->pin().c_str()) > 0 && fflush(stdout) == 0;
  return said ? Status::Ok() : Status(StatusCode::kUnavailable, "cannot write the answer");
}

// For the data path: clients trust the authority, and see the server's name in the certificate.
Status Certify(const Options& options) {
  FARLANE_TRY(MakeOwnFolder(options.state_dir));
  FARLANE_ASSIGN(const pki::Safe safe, pki::Safe::Open(options.state_dir, options.seal_key_file));
  FARLANE_ASSIGN(const std::unique_ptr<TlsHome> tls, OpenTls(options, safe));
  FARLANE_ASSIGN(const pki::KeyPair made, tls->CertifyServer(options.certify));
  FARLANE_TRY(pki::WriteSecretFile(options.certify_to + ".pem", made.certificate));
  return pki::WriteSecretFile(options.certify_to + ".key", made.key);
}

Status VerifyAuditIn(const std::string& folder) {
  const v1::AuditVerdict verdict = VerifyAudit(folder, {}, "");
  printf("%llu records in %llu segments, the last is %llu/%llu with the head %s\n",
         static_cast<unsigned long long>(verdict.records()),
         static_cast<unsigned long long>(verdict.segments()),
         static_cast<unsigned long long>(verdict.epoch()),
         static_cast<unsigned long long>(verdict.seq()), verdict.head().c_str());
  std::string problems;
  for (const std::string& problem : verdict.problems()) {
    problems += (problems.empty() ? "" : "\n") + problem;
  }
  return verdict.intact() && fflush(stdout) == 0 ? Status::Ok()
                                                 : Status(StatusCode::kCorrupt, problems);
}

// What a manager has for as long as it runs.
// Thread: main; Rotate from any that answers people, one at a time.
class Manager {
 public:
  explicit Manager(const Options& options) : options_(options) {}

  Status Run() {
    FARLANE_ASSIGN(const Fd signals, CatchSignals());
    FARLANE_TRY(MakeOwnFolder(options_.state_dir));
    FARLANE_ASSIGN(store_, OpenStore(options_));
    FARLANE_ASSIGN(safe_, pki::Safe::Open(options_.state_dir, options_.seal_key_file));
    if (options_.tls) {
      FARLANE_ASSIGN(tls_, OpenTls(options_, *safe_));
    }
    FARLANE_TRY(CheckKeys());
    keys_.emplace(*safe_);
    FARLANE_ASSIGN(servers_, AttachServer::Start(options_.listen_servers,
                                                 {.join_key = options_.join_key,
                                                  .asks_kernel = options_.local_servers,
                                                  .open = options_.insecure},
                                                 tls_.get()));
    FARLANE_TRY(Listen());
    servers_->Serve(office_.get());
    if (options_.etcd.empty() && !office_->AwaitTerm(kTermNs)) {
      return Status(StatusCode::kUnavailable,
                    "the store in " + options_.state_dir + " cannot be led");
    }
    FARLANE_TRY(Announce(options_, people_, servers_->address()));
    Attend(signals);
    // Streams first: they lead into the office.
    servers_->Serve(nullptr);
    servers_->Stop();
    return Status::Ok();
  }

 private:
  Guards::Settings GuardsSettings(const std::string& manager) {
    return {.tokens = {.admin_token = options_.token, .strangers = options_.strangers},
            .audit = {.folder = options_.state_dir + "/audit", .manager = manager, .sync = {}},
            .rotate = [this](RecordStore& store) { return Rotate(store); },
            .take_keys = [this](RecordStore& store) { return keys_->Take(store); },
            .admit = Admission()};
  }

  std::function<Result<v1::JoinResponse>(const std::string&, const v1::JoinRequest&)> Admission() {
    if (tls_ == nullptr) {
      return {};
    }
    return
        [this](const std::string& kind, const v1::JoinRequest& wish) { return Admit(kind, wish); };
  }

  Result<v1::JoinResponse> Admit(const std::string& kind, const v1::JoinRequest& wish) {
    v1::JoinResponse response;
    response.set_pool(options_.name);
    response.set_authority(tls_->authority());
    response.set_servers(servers_->address());
    if (kind == JoinDesk::kServer) {
      FARLANE_ASSIGN(*response.mutable_certificate(), tls_->SignServer(wish.request(), wish.id()));
      return response;
    }
    FARLANE_ASSIGN(*response.mutable_seal_key(),
                   pki::Safe::ReadKey(options_.state_dir, options_.seal_key_file));
    response.set_authority_key(tls_->authority_key());
    return response;
  }

  // A manager that could not lead is of no use to stand by. While nobody can say, it begins.
  Status CheckKeys() {
    Status status = CheckKeyRing(*store_, *safe_);
    if (!status.ok() && status.code() != StatusCode::kCorrupt) {
      LogWarn("the pool's keys are not looked at yet: %s", status.message().c_str());
      return Status::Ok();
    }
    return status;
  }

  PoolHost::Settings PoolSettings() const {
    PoolHost::Settings pool{.name = options_.name,
                            .report_ms_max = options_.report_ms_max,
                            .keep_ended_ms = options_.keep_ended_ms,
                            .placement = options_.placement,
                            .scratch_dir = options_.state_dir};
    if (options_.etcd.empty()) {
      pool.backup = [this](const std::string& path) {
        return CopyStore({.from = FileOf(options_), .to = path, .from_vfs = {}});
      };
    }
    return pool;
  }

  Status Listen() {
    FARLANE_ASSIGN(const transport::Address wanted,
                   transport::Address::Parse("tcp://" + options_.listen));
    transport::Address bound;
    FARLANE_ASSIGN(Fd listener, transport::Listen(wanted, &bound));
    people_ = bound.ToString().substr(strlen("tcp://"));
    // Its address may be another one each time.
    FARLANE_ASSIGN(const std::string manager, TakeManagerId(options_.state_dir));
    office_ = std::make_unique<Office>(
        *store_,
        Office::Settings{.pool = PoolSettings(),
                         .guards = GuardsSettings(manager),
                         .own = {.people = people_, .servers = servers_->address()},
                         .store_kind = options_.etcd.empty() ? "sqlite" : "etcd",
                         .sole = options_.etcd.empty()},
        keys_->signing());
    routes_.emplace(*office_);
    FARLANE_ASSIGN(
        http_, HttpServer::Start(
                   std::move(listener), tls_ != nullptr ? PeopleSee(options_, *tls_) : HttpTls{},
                   [this](const HttpRequest& request) { return routes_->Answer(request); },
                   NamesOf(options_)));
    return Status::Ok();
  }

  // Until a signal comes, or the watched descriptor ends.
  void Attend(const Fd& signals) {
    while (true) {
      pollfd waiting[2] = {{.fd = signals.get(), .events = POLLIN, .revents = 0},
                           {.fd = options_.watch_fd, .events = POLLIN, .revents = 0}};
      poll(waiting, 2, kLookMs);
      if (waiting[0].revents != 0 || waiting[1].revents != 0) {
        LogInfo("ends");
        return;
      }
      office_->Look();
      if (renews_.exchange(false)) {
        if (const Status status = http_->Renew(PeopleSee(options_, *tls_)); !status.ok()) {
          LogError("people do not see the new certificate: %s", status.message().c_str());
        }
      }
    }
  }

  // New keys. The certificate is changed by the main thread: a server does not stop itself.
  Result<v1::RotateResponse> Rotate(RecordStore& store) {
    FARLANE_TRY(keys_->Rotate(store));
    if (const std::shared_ptr<PoolHost> host = office_->Host()) {
      host->TellKeys();
    }
    v1::RotateResponse response;
    response.set_signing_key(true);
    if (tls_ != nullptr) {
      FARLANE_TRY(tls_->Renew());
      renews_ = options_.certificate.empty();
      response.set_certificate(renews_);
    }
    return response;
  }

  const Options& options_;
  std::unique_ptr<StateStore> store_;
  std::optional<pki::Safe> safe_;
  std::unique_ptr<TlsHome> tls_;
  std::unique_ptr<AttachServer> servers_;
  std::string people_;
  std::optional<SharedKeys> keys_;
  std::unique_ptr<Office> office_;
  std::optional<Routes> routes_;
  std::unique_ptr<HttpServer> http_;
  std::atomic<bool> renews_{false};
};

Status Restore(const Options& options) {
  FARLANE_TRY(MakeOwnFolder(options.state_dir));
  FARLANE_TRY(RestoreStore({.backup = options.restore, .store = FileOf(options)}));
  FARLANE_ASSIGN(const std::unique_ptr<StateStore> store, OpenStore(options));
  FARLANE_TRY(DropKeyRing(*store));
  LogInfo("the pool in %s is as %s has it", options.state_dir.c_str(), options.restore.c_str());
  return Status::Ok();
}

Status Act(const Options& options) {
  if (options.audit.has_value()) {
    return VerifyAuditIn(*options.audit);
  }
  if (!options.certify.empty()) {
    return Certify(options);
  }
  if (!options.restore.empty()) {
    return Restore(options);
  }
  return options.init ? Init(options) : Manager(options).Run();
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
  const farlane::Status status = farlane::pool::Act(line.options);
  if (!status.ok()) {
    farlane::LogError("%s", status.message().c_str());
    return 1;
  }
  return 0;
}
