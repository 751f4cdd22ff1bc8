// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/daemon.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gpu-server/daemon/own_names.h"
#include "gpu-server/daemon/status_report.h"
#include "gpu-server/daemon/tls_pass.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"

namespace farlane::server {
namespace {

// The longest sleep: after a worker's failure it is the pause before the next try.
constexpr uint64_t kSleepNs = 1'000'000'000;

constexpr uint64_t kSecondNs = 1'000'000'000;

Status CheckAddress(const transport::Address& address, const Options& options) {
  FARLANE_ASSIGN(const bool local, transport::IsLocalOnly(address));
  const bool certified =
      address.kind == transport::Address::Kind::kTls && !options.tls.client_ca_file.empty();
  const bool pooled = !options.pool.manager.empty();
  if (local || options.insecure) {
    return Status::Ok();
  }
  if (address.kind != transport::Address::Kind::kTls) {
    return Status(StatusCode::kRefused,
                  address.ToString() +
                      " can be reached from other machines and what clients send would not be "
                      "encrypted: listen at tls:// with --tls-cert and --tls-key, or say "
                      "--insecure");
  }
  if (!options.token.empty() || certified || pooled) {
    return Status::Ok();
  }
  return Status(StatusCode::kRefused,
                address.ToString() +
                    " can be reached from other machines and nothing would keep anybody from the "
                    "GPUs: set a token with --token-file, ask for certificates with tls:// and "
                    "--tls-client-ca, or say --insecure");
}

Greeter::Door DoorOf(transport::Address::Kind kind) {
  switch (kind) {
    case transport::Address::Kind::kUnix:
      return Greeter::Door::kOwnUser;
    case transport::Address::Kind::kTls:
      return Greeter::Door::kTls;
    default:
      return Greeter::Door::kOpen;
  }
}

}  // namespace

Daemon::Daemon(const Options& options,
               const WorkerConfig& config,
               const std::vector<std::string>& views,
               Admission admission,
               Heritage heritage,
               PolicySeat policy)
    : ready_fd_(options.ready_fd),
      watch_fd_(options.watch_fd),
      pool_(options.pool),
      greeter_(std::move(admission),
               config.boot,
               doorman_,
               agent_,
               [this](const Newcomer& newcomer) {
                 return clients_.has_value() && clients_->book().IsMember(newcomer);
               }),
      heritage_(std::move(heritage)),
      workers_(config, options.warm, views),
      limit_bytes_(options.memory_bytes),
      divides_time_(options.divides_time),
      policy_(std::move(policy)),
      net_rate_(options.net_rate),
      zero_memory_(options.zero_memory),
      rules_{.slices_max = options.slices_max,
             .isolation_min = options.isolation_min,
             .turns = options.divides_time,
             .mps = options.mps_percent != 0} {
  memcpy(boot_, config.boot, sizeof boot_);
}

Result<std::unique_ptr<Daemon>> Daemon::Create(const Options& options,
                                               std::vector<DriverCandidate> drivers,
                                               const Survey& survey,
                                               Heritage heritage,
                                               PolicySeat policy) {
  WorkerConfig config{.drivers = std::move(drivers),
                      .mps = {.percent = options.mps_percent,
                              .memory_bytes = options.memory_bytes,
                              .devices_count = survey.whole_count},
                      .grace = options.grace,
                      .command_max_ns = options.command_max_ns,
                      .tls = !options.tls.cert_file.empty(),
                      .soils_memory = options.zero_memory == "auto",
                      .tests_memory = options.zero_memory == "auto",
                      .state_dir = options.state_dir};
  if (getrandom(config.boot, sizeof config.boot, 0) != sizeof config.boot) {
    return Status::FromErrno(StatusCode::kInternal, "no random numbers", errno);
  }
  // Clients of the former daemon's workers are still where they were.
  if (const auto& boot = heritage.adoption.boot()) {
    std::copy(boot->begin(), boot->end(), config.boot);
  }
  std::unique_ptr<Daemon> daemon(new Daemon(options, config, survey.views,
                                            Admission(options.token, !options.pool.manager.empty()),
                                            std::move(heritage), std::move(policy)));
  FARLANE_TRY(daemon->Listen(options));
  if (config.tls) {
    FARLANE_TRY(daemon->doorman_.Start(options.tls));
  }
  FARLANE_ASSIGN(daemon->server_id_, ServerId(options.state_dir));
  daemon->control_address_ = options.control;
  if (options.control.empty() && !options.pool.manager.empty()) {
    FARLANE_ASSIGN(daemon->control_address_, PrivateAddress());
  }
  FARLANE_TRY(daemon->service_.Open(daemon->control_address_));
  FARLANE_TRY(daemon->CatchSignals());
  return daemon;
}

Status Daemon::Listen(const Options& options) {
  for (const std::string& text : options.listen) {
    FARLANE_ASSIGN(const transport::Address address, transport::Address::Parse(text));
    FARLANE_TRY(CheckAddress(address, options));
    Listener listener;
    FARLANE_ASSIGN(listener.socket, transport::Listen(address, &listener.address));
    listeners_.push_back(std::move(listener));
  }
  return Status::Ok();
}

Status Daemon::CatchSignals() {
  sigset_t caught;
  sigemptyset(&caught);
  sigaddset(&caught, SIGTERM);
  sigaddset(&caught, SIGINT);
  sigaddset(&caught, SIGCHLD);
  if (sigprocmask(SIG_BLOCK, &caught, nullptr) == 0) {
    signals_ = Fd(signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  return signals_.valid()
             ? Status::Ok()
             : Status::FromErrno(StatusCode::kInternal, "cannot wait for signals", errno);
}

Status Daemon::Run() {
  while (true) {
    const uint64_t now_ns = NowNs();
    workers_.Reap(now_ns, [this, now_ns](pid_t worker) {
      if (heritage_.state_dir.has_value()) {
        heritage_.state_dir->Remove(worker);
      }
      if (clients_.has_value()) {
        turns_->Leave(worker, now_ns);
        net_->Leave(worker);
        clients_->LeaveWithWorker(worker, now_ns);
      }
    });
    if (!clients_.has_value() && workers_.was_ready()) {
      BeginToServe(now_ns);
    }
    AdoptWorkers(now_ns);
    ServeWaiting(now_ns);
    if (!workers_.was_ready() && !workers_.failure().empty()) {
      return Status(StatusCode::kUnavailable, workers_.failure());
    }
    workers_.Keep(greeter_.waiting_count(), now_ns);
    if (workers_.was_ready() && !announced_) {
      FARLANE_TRY(Announce());
    }
    std::vector<pollfd> polls;
    Wait(&polls);
    HearWorkers(polls);
    if (IsToEnd()) {
      return Status::Ok();
    }
    AcceptAll();
    HearDoorman();
    HearAgent();
    caretaker_.Hear(NowNs());
    LookAtHealth();
    greeter_.Look(NowNs());
    service_.Look(NowNs(), [this](const control::ServiceRequest& request) {
      return AnswerOperator(request, NowNs());
    });
  }
}

void Daemon::TakeTurns(pid_t worker, const SessionId& session, uint64_t now_ns) {
  const SessionBook::Session& known = clients_->book().sessions().at(session);
  turns_->Enter(worker, known.account, known.slice, known.devices, now_ns);
  net_->Enter(worker, known.account, known.slice, NetRateBytes(known.net_limit));
}

bool Daemon::IsToEnd() {
  const Signal signal = HandleSignals();
  if (signal == Signal::kLeave && heritage_.state_dir.has_value()) {
    LogInfo("ends; workers go on serving their clients");
    workers_.LetGo();
    return true;
  }
  if (signal != Signal::kNone || WatchedIsGone()) {
    LogInfo("ends");
    return true;
  }
  return false;
}

void Daemon::HearDoorman() {
  const uint64_t now_ns = NowNs();
  doorman_.Hear({.met =
                     [this, now_ns](Greeter::Guest guest, const std::string& hello_and_name) {
                       greeter_.Met(guest, hello_and_name, now_ns);
                     },
                 .turned_away = [this](Greeter::Guest guest,
                                       const std::string& why) { greeter_.TurnedAway(guest, why); },
                 .lost = [this] { greeter_.LoseGuests(); }},
                now_ns);
}

void Daemon::HearAgent() {
  const uint64_t now_ns = NowNs();
  agent_.Hear({.judged = [this, now_ns](
                             uint64_t id, bool right,
                             const std::string& tail) { greeter_.Judged(id, right, tail, now_ns); },
               .lost = [this, now_ns] { greeter_.LoseJudge(now_ns); }},
              now_ns);
}

// Once clients may come.
Status Daemon::JoinPool() {
  if (pool_.manager.empty()) {
    return Status::Ok();
  }
  if (pool_.name.empty()) {
    char name[256] = "";
    gethostname(name, sizeof name - 1);
    pool_.name = name;
  }
  if (pool_.advertised.empty()) {
    for (const Listener& listener : listeners_) {
      pool_.advertised.push_back(listener.address.ToString());
    }
  }
  return agent_.Start(pool_, server_id_, control_address_).While("joining the pool");
}

void Daemon::HearWorkers(const std::vector<pollfd>& polls) {
  std::vector<int> controls;
  workers_.AppendControls(&controls);
  const uint64_t now_ns = NowNs();
  for (const pollfd& polled : polls) {
    if (polled.revents != 0 &&
        std::find(controls.begin(), controls.end(), polled.fd) != controls.end()) {
      workers_.Hear(polled.fd, [this, now_ns](pid_t worker, const ControlRecord& record) {
        return clients_.has_value() && clients_->Hear(worker, record, now_ns);
      });
    }
  }
  if (clients_.has_value()) {
    clients_->Look(now_ns);
    turns_->Look(now_ns);
    TuneShares(now_ns);
    net_->Look(now_ns);
  }
}

// Shares that were asked for as a range follow what is used of them.
void Daemon::TuneShares(uint64_t now_ns) {
  std::vector<ShareTuner::View> views;
  std::map<ShareTuner::Session, SessionId> names;
  bool any = false;
  for (const auto& [id, session] : clients_->book().sessions()) {
    if (session.slice.priority == Priority::kBestEffort || session.slice.share == 0) {
      continue;
    }
    any = any || session.slice.share_max != 0;
    names[session.account] = id;
    ShareTuner::View& view = views.emplace_back(ShareTuner::View{.session = session.account,
                                                                 .least = session.slice.share,
                                                                 .most = session.slice.share_max,
                                                                 .now = session.share_now,
                                                                 .uses = {}});
    for (const size_t device : session.devices) {
      const TurnFigures figures = turns_->FiguresOf(session.account, device);
      view.uses.push_back({.device = device,
                           .used_ns = figures.used_ns,
                           .clock_ns = figures.clock_ns,
                           .held_ns = figures.held_ns});
    }
  }
  if (!any) {
    return;
  }
  for (const auto& [account, share] : tuner_.Look(now_ns, std::move(views))) {
    const SessionId& id = names.at(account);
    clients_->SetShare(id, share);
    SliceRequest slice = clients_->book().sessions().at(id).slice;
    slice.share = share;
    turns_->Resize(account, slice, now_ns);
    LogDebug("session %s has a share of %s now", SessionName(id).c_str(), ShareText(share).c_str());
  }
}

std::string Daemon::AnswerOperator(const control::ServiceRequest& request, uint64_t now_ns) {
  if (!clients_.has_value()) {
    return EndOfService(0, request.verb == control::ServiceVerb::kList ? ""
                           : request.verb == control::ServiceVerb::kDevices ||
                                   request.verb == control::ServiceVerb::kEvents
                               ? "the devices are not known yet"
                               : "there is no such session");
  }
  if (request.verb == control::ServiceVerb::kDevices) {
    return DescribeDevices(MakeOperatorReport(workers_.devices(), workers_.device_bytes(),
                                              caretaker_.health(), *clients_));
  }
  if (request.verb == control::ServiceVerb::kEvents) {
    return ListEvents(*health_);
  }
  if (request.verb == control::ServiceVerb::kList) {
    turns_->Look(now_ns);
    return ListSessions(*clients_, *turns_, *net_, now_ns);
  }
  if (request.verb == control::ServiceVerb::kResize) {
    return ResizeSession(request, now_ns);
  }
  return EndSession(control::TextOf(request.session));
}

std::string Daemon::EndSession(const std::string& name) {
  const std::optional<SessionId> id = clients_->SessionNamed(name);
  if (!id.has_value()) {
    return EndOfService(0, "no session has this name, or several begin with it");
  }
  const std::vector<pid_t> workers = clients_->WorkersOf(name);
  for (const pid_t worker : workers) {
    LogInfo("worker %d is ended on request", worker);
    workers_.End(worker);
  }
  clients_->EndSession(*id);
  return EndOfService(static_cast<uint32_t>(workers.size()), "");
}

// What is not said stays as it is.
std::string Daemon::ResizeSession(const control::ServiceRequest& request, uint64_t now_ns) {
  const std::optional<SessionId> id = clients_->SessionNamed(control::TextOf(request.session));
  if (!id.has_value()) {
    return EndOfService(0, "no session has this name, or several begin with it");
  }
  SliceRequest slice = clients_->book().sessions().at(*id).slice;
  slice.memory_bytes = request.memory_bytes != 0 ? request.memory_bytes : slice.memory_bytes;
  if (request.share != 0) {
    slice.share = request.share;
    slice.share_max = request.share_max;
  }
  slice.share_limit = request.share_limit != 0 ? request.share_limit : slice.share_limit;
  slice.priority = request.priority != 0 ? static_cast<Priority>(request.priority) : slice.priority;
  if (const std::optional<std::string> objection = clients_->Resize(*id, slice)) {
    return EndOfService(0, *objection);
  }
  const SessionBook::Session& session = clients_->book().sessions().at(*id);
  if (request.net_limit != 0) {
    clients_->LimitNet(*id, request.net_limit);
  }
  turns_->Resize(session.account, slice, now_ns);
  net_->Resize(session.account, slice, NetRateBytes(session.net_limit));
  LogInfo("session %s has a share of %s and a limit of %s now, as %s", SessionName(*id).c_str(),
          ShareText(slice.share).c_str(), ShareText(slice.share_limit).c_str(),
          PriorityName(slice.priority));
  return EndOfService(1, "");
}

// The keys of a connection under TLS go from the doorman straight to the worker.
pid_t Daemon::Assign(
    size_t view, const Fd& connection, Greeter::Guest guest, const Grant& grant, bool probe) {
  if (guest == 0) {
    return workers_.Assign(view, connection, Fd(), grant, probe);
  }
  const Result<PassPipe> pipe = MakePassPipe();
  if (!pipe.ok()) {
    LogWarn("%s", pipe.error().message().c_str());
    return 0;
  }
  const pid_t worker = workers_.Assign(view, connection, pipe.value().worker, grant, probe);
  if (worker != 0) {
    doorman_.HandOver(guest, pipe.value().doorman);
  }
  return worker;
}

Greeter::Placement Daemon::Place(const Fd& connection,
                                 const Newcomer& newcomer,
                                 Greeter::Guest guest,
                                 uint64_t now_ns) {
  if (!clients_.has_value()) {
    return {};
  }
  if (newcomer.probe) {
    return {.taken = Assign(0, connection, guest, clients_->GrantOfProbe(), true) != 0,
            .refusal = {}};
  }
  if (auto objection = clients_->Objection(newcomer)) {
    if (objection->for_now && newcomer.slice.queue_seconds != 0) {
      clients_->Claim(newcomer);
    }
    return {.taken = false, .refusal = std::move(objection)};
  }
  if (newcomer.asks && !caretaker_.has_settled(now_ns)) {
    return {};
  }
  if (newcomer.asks) {
    return {.taken = false,
            .refusal = {},
            .answer = PackStatus(
                MakeStatusReport(workers_.devices(), caretaker_.health(), *clients_, newcomer))};
  }
  const size_t view = workers_.ViewOf(clients_->book().DevicesOnEntry(newcomer));
  if (!workers_.has_ready(view)) {
    const std::string& failure = workers_.failure_of(view);
    return failure.empty()
               ? Greeter::Placement{}
               : Greeter::Placement{.taken = false,
                                    .refusal = Decision{wire::Verdict::kNoDevice, failure}};
  }
  Grant grant;
  grant.zeroes =
      zero_memory_ == "always" || (zero_memory_ == "auto" && !workers_.memory_is_clean());
  const Ledger::Holder holder = clients_->Enter(newcomer, now_ns, &grant);
  if (heritage_.state_dir.has_value()) {
    Seat seat = clients_->SeatOf(holder);
    memcpy(seat.boot, boot_, sizeof boot_);
    workers_.NameOf(view, seat.instance);
    grant.seat = PackSeat(seat);
  }
  const pid_t worker = Assign(view, connection, guest, grant, false);
  if (worker == 0) {
    clients_->Leave(holder, now_ns);
    return {};
  }
  clients_->SeatAt(holder, worker);
  TakeTurns(worker, clients_->SessionOf(worker), now_ns);
  TuneShares(now_ns);
  return {.taken = true, .refusal = {}};
}

void Daemon::ServeWaiting(uint64_t now_ns) {
  if (clients_.has_value()) {
    clients_->ForgetClaims();
  }
  greeter_.Serve(
      [this, now_ns](const Fd& connection, const Newcomer& newcomer, Greeter::Guest guest) {
        return Place(connection, newcomer, guest, now_ns);
      },
      now_ns);
  if (workers_.is_full()) {
    greeter_.RefuseWaiting({wire::Verdict::kBusy, "the server has as many clients as it takes"},
                           now_ns);
  } else if (!workers_.failure().empty()) {
    greeter_.RefuseWaiting({wire::Verdict::kNoDevice, workers_.failure()}, now_ns);
  }
}

Status Daemon::Announce() {
  announced_ = true;
  FARLANE_TRY(JoinPool());
  std::string lines;
  for (const Listener& listener : listeners_) {
    LogInfo("serves %s at %s", workers_.driver_path().c_str(), listener.address.ToString().c_str());
    lines += listener.address.ToString() + "\n";
  }
  if (ready_fd_ >= 0) {
    const ssize_t written = write(ready_fd_, lines.data(), lines.size());
    close(ready_fd_);
    if (written != static_cast<ssize_t>(lines.size())) {
      return Status::FromErrno(StatusCode::kInvalidArgument,
                               "cannot write to the descriptor of --ready-fd", errno);
    }
  }
  return Status::Ok();
}

void Daemon::Wait(std::vector<pollfd>* polls) {
  polls->push_back({.fd = signals_.get(), .events = POLLIN, .revents = 0});
  polls->push_back({.fd = watch_fd_, .events = POLLIN, .revents = 0});
  polls->push_back({.fd = doorman_.control(), .events = POLLIN, .revents = 0});
  polls->push_back({.fd = caretaker_.control(), .events = POLLIN, .revents = 0});
  polls->push_back({.fd = agent_.control(), .events = POLLIN, .revents = 0});
  for (const Listener& listener : listeners_) {
    if (TakesClients()) {
      polls->push_back({.fd = listener.socket.get(), .events = POLLIN, .revents = 0});
    }
  }
  std::vector<int> controls;
  workers_.AppendControls(&controls);
  for (const int control : controls) {
    polls->push_back({.fd = control, .events = POLLIN, .revents = 0});
  }
  greeter_.AppendPolls(polls);
  heritage_.adoption.AppendPolls(polls);
  service_.AppendPolls(polls);
  const uint64_t now_ns = NowNs();
  const uint64_t clients_ns = clients_.has_value() ? clients_->NextTime() : UINT64_MAX;
  const uint64_t turns_ns = turns_.has_value() ? turns_->NextTime() : UINT64_MAX;
  const uint64_t net_ns = net_.has_value() ? net_->NextTime() : UINT64_MAX;
  const uint64_t until_ns = std::min({greeter_.NextTime(now_ns), service_.NextTime(), clients_ns,
                                      turns_ns, net_ns, now_ns + kSleepNs});
  const uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
  const timespec left{.tv_sec = static_cast<time_t>(left_ns / kSecondNs),
                      .tv_nsec = static_cast<long>(left_ns % kSecondNs)};
  if (ppoll(polls->data(), polls->size(), &left, nullptr) < 0) {
    polls->clear();  // interrupted: nothing is known
  }
}

// SIGTERM is what a restart begins with; SIGINT comes from who wants an end.
Daemon::Signal Daemon::HandleSignals() {
  signalfd_siginfo signal{};
  Signal worst = Signal::kNone;
  while (read(signals_.get(), &signal, sizeof signal) == sizeof signal) {
    if (signal.ssi_signo != SIGCHLD) {
      worst = std::max(worst, signal.ssi_signo == SIGTERM ? Signal::kLeave : Signal::kEnd);
    }
  }
  return worst;
}

bool Daemon::WatchedIsGone() const {
  if (watch_fd_ < 0) {
    return false;
  }
  pollfd watched{.fd = watch_fd_, .events = POLLIN, .revents = 0};
  if (poll(&watched, 1, 0) <= 0) {
    return false;
  }
  char byte = 0;
  return (watched.revents & POLLIN) == 0 || read(watch_fd_, &byte, 1) <= 0;
}

// Of a pool's, not before there is an agent that can judge them: those who come earlier, to a
// server that is started again, wait at its door.
bool Daemon::TakesClients() const {
  return pool_.manager.empty() || announced_;
}

void Daemon::AcceptAll() {
  if (!TakesClients()) {
    return;
  }
  for (const Listener& listener : listeners_) {
    while (true) {
      Fd connection(accept4(listener.socket.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!connection.valid()) {
        break;
      }
      greeter_.Welcome(std::move(connection), DoorOf(listener.address.kind), NowNs());
    }
  }
}

}  // namespace farlane::server
