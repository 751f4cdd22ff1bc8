// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/worker.h"

#include <cstdlib>
#include <cstring>

#include <unistd.h>

#include "gpu-server/daemon/admission.h"
#include "gpu-server/daemon/control_record.h"
#include "gpu-server/daemon/daemon_link.h"
#include "gpu-server/daemon/forked_child.h"
#include "gpu-server/daemon/hangup_watch.h"
#include "gpu-server/daemon/last_word.h"
#include "gpu-server/daemon/sandbox.h"
#include "gpu-server/daemon/state_dir.h"
#include "gpu-server/daemon/tls_pass.h"
#include "gpu-server/driver/device_share.h"
#include "gpu-server/session/busy_meter.h"
#include "gpu-server/session/paced_stream.h"
#include "gpu-server/session/session_loop.h"
#include "gpu-server/session/welcome.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/channel/way.h"
#include "protocol/transport/socket_stream.h"

namespace farlane::server {
namespace {

// The hello has arrived already, and its answer fits every socket's buffer: whoever is slower than
// this is not a client.
constexpr uint64_t kHelloNs = 2'000'000'000;

// Turns follow a client at once.
constexpr uint64_t kTurnsNs = 2'000'000'000;

// What a client that is kept apart sees of time.
constexpr uint64_t kTimeGridNs = 500'000;

[[noreturn]] void Fail(const Fd& control, const Status& status) {
  SendRecord(control.get(), {.kind = ControlRecord::Kind::kFailed, .tail = status.message()}, true);
  _exit(1);
}

// Moves exactly so many bytes, or says why not.
Status ReadHello(transport::Stream& stream, wire::ClientHello* hello) {
  const uint64_t deadline = NowNs() + kHelloNs;
  size_t got = 0;
  while (got < sizeof *hello) {
    const Bytes rest = std::as_writable_bytes(std::span(hello, 1)).subspan(got);
    FARLANE_ASSIGN(const transport::Transfer read, stream.Read(rest));
    if (read.closed || NowNs() > deadline) {
      return Status(StatusCode::kUnavailable, "the client went away during the handshake");
    }
    got += read.bytes;
    if (got < sizeof *hello) {
      FARLANE_TRY(stream.Wait(transport::Interest::kRead, deadline));
    }
  }
  return Status::Ok();
}

Status WriteHello(transport::Stream& stream, const wire::ServerHello& hello) {
  const uint64_t deadline = NowNs() + kHelloNs;
  size_t sent = 0;
  while (sent < sizeof hello) {
    const iovec part{.iov_base = const_cast<char*>(hello.magic) + sent,
                     .iov_len = sizeof hello - sent};
    FARLANE_ASSIGN(const size_t written, stream.Write(std::span(&part, 1)));
    sent += written;
    if (sent < sizeof hello && NowNs() > deadline) {
      return Status(StatusCode::kTimeout, "the client does not take its welcome");
    }
    if (sent < sizeof hello) {
      FARLANE_TRY(stream.Wait(transport::Interest::kWrite, deadline));
    }
  }
  return Status::Ok();
}

// What a worker has before it has a client.
struct Readiness {
  std::unique_ptr<Driver> driver;
  std::vector<DeviceFacts> facts;
  OutputPipe output;
  Fd share;  // the devices' memory, for the next daemon
  FreshMemory memory = FreshMemory::kUnknown;
};

// A probe is told where its memory would be, and gets none.
void AnswerProbe(transport::Stream& stream,
                 const Readiness& ready,
                 DaemonLink& link,
                 const Grant& grant) {
  std::vector<std::unique_ptr<DeviceMemory>> opened;
  std::vector<const DeviceMemory*> memories;
  const size_t count = ready.facts.size();
  for (size_t i = 0; i < count; ++i) {
    opened.push_back(std::make_unique<DeviceMemory>(ready.driver->table(), link, grant.quotas[i],
                                                    static_cast<CUdevice>(i), i, count));
    opened.back()->OpenArena();
    memories.push_back(opened.back().get());
  }
  Wakeup wakeup;
  Outbox outbox(stream, wakeup);
  AppendWelcome(outbox, *ready.driver, ready.facts, memories);
  outbox.SayBye();
  const uint64_t deadline = NowNs() + kHelloNs;
  outbox.Flush();
  while (!outbox.broken() && outbox.unsent_bytes() != 0 && NowNs() < deadline) {
    static_cast<void>(stream.Wait(transport::Interest::kWrite, deadline));
    outbox.Flush();
  }
}

void LogEnd(const SessionLoop& loop,
            SessionEnd end,
            ClientSession& session,
            const std::string& client,
            uint64_t start_ns) {
  if (end == SessionEnd::kBreach) {
    LogWarn("%s broke the protocol: %s in %s", client.c_str(), wire::WireErrorName(loop.breach()),
            loop.breached_by());
  }
  const SessionCounters& counters = session.counters();
  LogInfo(
      "worker %d: %s %s after %.1f s: %llu calls waited for, %llu posts, %llu launches, "
      "%llu bytes of data in, %llu out, %llu bytes received, %llu sent",
      getpid(), client.c_str(), SessionEndName(end), static_cast<double>(NowNs() - start_ns) * 1e-9,
      static_cast<unsigned long long>(counters.calls),
      static_cast<unsigned long long>(counters.posts),
      static_cast<unsigned long long>(counters.launches),
      static_cast<unsigned long long>(counters.in_bytes),
      static_cast<unsigned long long>(counters.out_bytes),
      static_cast<unsigned long long>(loop.read_bytes()),
      static_cast<unsigned long long>(session.outbox().written_bytes()));
}

// The gate opens for good where there is nobody to give turns, or what they are given by is broken.
void FollowTurns(ClientSession& session, DaemonLink& link, size_t devices_count, size_t first) {
  const auto begin = [&session, &link, devices_count, first](DaemonLink::TurnParts parts) {
    Result<TurnMemory> grants = TurnMemory::Take(parts.grants, devices_count, false, first);
    Result<TurnMemory> uses = TurnMemory::Take(parts.uses, devices_count, true, first);
    if (!grants.ok() || !uses.ok()) {
      LogWarn("worker %d takes no turns: %s", getpid(),
              (grants.ok() ? uses : grants).error().message().c_str());
      return;
    }
    session.gate().Attach(std::move(*grants), std::move(*uses), std::move(parts.bell),
                          [&link] { link.RingForTurn(); });
  };
  link.FollowTurns(begin, [&session] { session.gate().Detach(); });
}

// `watch` stays for as long as the process lives.
void LimitCommands(ClientSession& session, Outbox& outbox, int socket, CommandWatch& watch) {
  if (watch.limit_ns() != 0) {
    session.gate().Watch(&watch);
    WatchDispatch(outbox, socket, watch);
  }
}

// Data goes as fast as it likes where nobody says how fast it may.
void FollowNet(NetGate& gate, DaemonLink& link) {
  const auto begin = [&gate](DaemonLink::NetParts parts) {
    Result<TurnMemory> grants = TurnMemory::Take(parts.grants, 1, false);
    Result<TurnMemory> uses = TurnMemory::Take(parts.uses, 1, true);
    if (!grants.ok() || !uses.ok()) {
      LogWarn("worker %d has no share of the network: %s", getpid(),
              (grants.ok() ? uses : grants).error().message().c_str());
      return;
    }
    gate.Attach(std::move(*grants), std::move(*uses));
  };
  link.FollowNet(begin, [&gate] { gate.Detach(); });
}

// Serves the client until it is gone. The end of the process frees everything, at once and whatever
// the device is doing; nothing is taken apart before.
[[noreturn]] void Serve(transport::Stream& connection,
                        const wire::ClientHello& hello,
                        Readiness& ready,
                        DaemonLink& link,
                        const Grant& grant,
                        const WorkerConfig& config,
                        std::optional<DaemonLink::Inheritance> inheritance) {
  const uint64_t start_ns = NowNs();
  const std::string client = Printable(hello.program, sizeof hello.program) + " (pid " +
                             std::to_string(hello.process) + " on " +
                             Printable(hello.host, sizeof hello.host) + ")";
  LogInfo("worker %d: serves %s over %s", getpid(), client.c_str(), connection.name());
  NetGate net;
  PacedStream paced(connection, net);
  const bool goes_over_network = GoesOverNetwork(connection);
  transport::Stream& stream = goes_over_network ? paced : connection;
  Wakeup wakeup;
  Outbox outbox(stream, wakeup);
  Ears ears;
  WatchHangup(stream.LifeFd(), outbox, ears, config.grace);
  ClientSession session(ready.driver->table(), link, outbox, wakeup, ready.output, &link);
  link.HearShares(
      {.hand = [&session](const ShareToken& token,
                          Fd socket) { session.shares().SendTo(token, std::move(socket)); },
       .over = [&session](const ShareToken& token) { session.shares().Over(token); }});
  CommandWatch watch(config.command_max_ns);
  LimitCommands(session, outbox, stream.LifeFd(), watch);
  std::vector<Reservation> first = link.TakeFirst(grant);
  FollowTurns(session, link, ready.facts.size(), grant.first_device);
  FollowNet(net, link);
  link.Listen(
      [&outbox](size_t device, uint64_t bytes, uint64_t recall) {
        outbox.Append(wire::CreditRecall{
            .device = static_cast<int32_t>(device), .bytes = bytes, .recall = recall});
        outbox.FlushOrWake();
      },
      std::move(inheritance));
  // Without them commands are not measured, and one that never ends would never be found.
  const bool awaits_turns = grant.awaits_turns || watch.limit_ns() != 0;
  if (awaits_turns && !session.gate().AwaitPages(kTurnsNs)) {
    LogWarn("worker %d is told nothing of turns; it ends", getpid());
    _exit(1);
  }
  const bool isolated = grant.isolation >= Isolation::kScrubbed;
  session.OpenDevices(grant.quotas, std::move(first),
                      {.before = grant.zeroes || isolated, .after = isolated});
  if (grant.isolation == Isolation::kScrubbed) {
    session.SetTimeGrid(kTimeGridNs);
  }
  AppendWelcome(outbox, *ready.driver, ready.facts, session.memories());
  SessionLoop loop(stream, session, wakeup, channel::WaitPolicy::Default(), ears);
  loop.TellTalk(net);
  BusyMeter meter(
      session, ears,
      [&link](size_t device, uint32_t busy, uint32_t copies) {
        link.NoteBusy(device, busy, copies);
      },
      [&net](uint64_t busy_ns) { net.NoteBusy(busy_ns); });
  meter.Start();
  const SessionEnd end = loop.Run();
  LogEnd(loop, end, session, client, start_ns);
  if (isolated && session.ZeroMemory() != CUDA_SUCCESS) {
    LogWarn("worker %d: its memory cannot be zeroed; what comes of it is the driver's to see to",
            getpid());
  }
  if (end == SessionEnd::kOverdue) {
    EndWithLastWord(outbox, stream.LifeFd(), watch);
  }
  _exit(0);
}

// Makes the worker one that the daemon's successor finds. Only one with a client is worth it.
Result<std::optional<DaemonLink::Inheritance>> OutliveTheDaemon(const WorkerConfig& config,
                                                                Readiness& ready,
                                                                const Grant& grant) {
  if (config.state_dir.empty() || grant.seat.empty()) {
    return std::optional<DaemonLink::Inheritance>();
  }
  FARLANE_ASSIGN(Fd door, OpenDoor(config.state_dir));
  OutliveDaemon();
  return std::optional<DaemonLink::Inheritance>(
      {.door = std::move(door), .share = std::move(ready.share), .seat = grant.seat});
}

// What the daemon gives a worker.
struct Visitor {
  Fd connection;
  Fd pass;  // where to read the keys of a connection under TLS
  Grant grant;
  bool probe = false;
};

// A client under TLS has said its hello to the doorman.
Result<std::unique_ptr<transport::Stream>> OpenUnderTls(Visitor& visitor,
                                                        wire::ClientHello* hello) {
  TlsPass pass{};
  FARLANE_TRY(TakePass(visitor.pass.get(), &pass));
  *hello = pass.hello;
  FARLANE_ASSIGN(transport::TlsLibrary* const library, transport::LoadTls());
  Result<std::unique_ptr<transport::TlsConnection>> opened =
      library->Resume(std::move(visitor.connection), pass.state);
  explicit_bzero(&pass, sizeof pass);
  FARLANE_TRY(opened);
  return std::unique_ptr<transport::Stream>(std::move(*opened));
}

Result<std::unique_ptr<transport::Stream>> Open(Visitor& visitor, wire::ClientHello* hello) {
  if (visitor.pass.valid()) {
    return OpenUnderTls(visitor, hello);
  }
  auto stream = std::make_unique<transport::SocketStream>(std::move(visitor.connection));
  FARLANE_TRY(ReadHello(*stream, hello));
  return std::unique_ptr<transport::Stream>(std::move(stream));
}

// Both hellos; the stream is what follows them. Not inlined, so that copies which the compiler has
// made of secrets lie below its caller's frame.
[[gnu::noinline]] Result<std::unique_ptr<transport::Stream>> Greet(Visitor& visitor,
                                                                   const WorkerConfig& config,
                                                                   wire::ClientHello* hello) {
  FARLANE_ASSIGN(std::unique_ptr<transport::Stream> stream, Open(visitor, hello));
  const channel::OfferedWay way(hello->offers, *stream);
  wire::ServerHello answer = MakeServerHello({}, config.boot);
  answer.worker = static_cast<uint32_t>(getpid());
  way.Announce(&answer);
  FARLANE_TRY(WriteHello(*stream, answer));
  return way.Settle(std::move(stream), NowNs() + kHelloNs);
}

// One connection of the daemon's. Returns after a probe, or a client that was gone at once.
void Meet(Visitor visitor, Readiness& ready, DaemonLink& link, const WorkerConfig& config) {
  wire::ClientHello hello{};
  const Result<std::unique_ptr<transport::Stream>> stream = Greet(visitor, config, &hello);
  explicit_bzero(hello.token, sizeof hello.token);  // the daemon has looked at it
  explicit_bzero(hello.session_key, sizeof hello.session_key);
  WipeUnusedStack();
  if (!stream.ok()) {
    LogInfo("worker %d: %s", getpid(), stream.error().message().c_str());
    if (!visitor.probe) {
      _exit(0);  // the daemon has given it a client once
    }
    return;
  }
  if (visitor.probe) {
    AnswerProbe(**stream, ready, link, visitor.grant);
    return;
  }
  Result<std::optional<DaemonLink::Inheritance>> inheritance =
      OutliveTheDaemon(config, ready, visitor.grant);
  if (!inheritance.ok()) {
    LogWarn("worker %d ends with the daemon: %s", getpid(), inheritance.error().message().c_str());
  }
  Serve(**stream, hello, ready, link, visitor.grant, config,
        inheritance.ok() ? std::move(*inheritance) : std::nullopt);
}

// Waits for one. False when the daemon is gone or says what it never says.
bool AwaitVisitor(int control, size_t devices_count, Visitor* visitor) {
  ControlRecord record;
  if (ReceiveRecord(control, &record, true, &visitor->connection) != Received::kRecord ||
      !visitor->connection.valid() || !UnpackGrant(record.tail, &visitor->grant) ||
      visitor->grant.quotas.size() != devices_count) {
    return false;
  }
  visitor->probe = record.id != 0;
  return record.bytes == 0 ||
         (ReceiveRecord(control, &record, true, &visitor->pass) == Received::kRecord &&
          visitor->pass.valid());
}

// The worst of what is found of any device.
FreshMemory TestMemory(const WorkerConfig& config, const Readiness& ready) {
  FreshMemory all = config.tests_memory ? FreshMemory::kZero : FreshMemory::kUnknown;
  for (size_t i = 0; config.tests_memory && i < ready.facts.size(); ++i) {
    const FreshMemory one =
        TestFreshMemory(ready.driver->table(), static_cast<CUdevice>(i), config.soils_memory);
    all = all == FreshMemory::kDirty || one == FreshMemory::kZero ? all : one;
  }
  return all;
}

Status GetReady(const WorkerConfig& config, Readiness* ready) {
  if (config.tls) {
    FARLANE_TRY(transport::LoadTls());
  }
  ready->output.Catch();
  // Before the driver is loaded, which reads it once.
  if (!config.visible.empty()) {
    setenv("CUDA_VISIBLE_DEVICES", config.visible.c_str(), 1);
  }
  JoinMps(config.mps);
  ready->share = config.state_dir.empty() ? Fd() : OpenDeviceShare();
  FARLANE_ASSIGN(ready->driver, Driver::LoadFirst(config.drivers));
  FARLANE_ASSIGN(ready->facts, CollectFacts(ready->driver->table()));
  ready->memory = TestMemory(config, *ready);
  return EnterSandbox();
}

}  // namespace

void RunWorker(Fd inherited, pid_t daemon, const WorkerConfig& config) {
  const Fd control = BecomeChild(std::move(inherited), daemon, "gpud-worker");
  Readiness ready;
  const Status status = GetReady(config, &ready);
  ready.output.DrainToLog();
  if (!status.ok()) {
    Fail(control, status);
  }
  Capacity capacity{.total_bytes = {},
                    .driver_path = ready.driver->path(),
                    .memory = ready.memory,
                    .devices = ReportOf(ready.driver->table(), ready.facts)};
  for (const DeviceFacts& device : ready.facts) {
    capacity.total_bytes.push_back(device.total_bytes);
  }
  DaemonLink link(control.get());
  const ControlRecord report{.kind = ControlRecord::Kind::kReady, .tail = PackCapacity(capacity)};
  while (SendRecord(control.get(), report, true)) {
    Visitor visitor;
    if (!AwaitVisitor(control.get(), ready.facts.size(), &visitor)) {
      break;
    }
    Meet(std::move(visitor), ready, link, config);
  }
  _exit(0);
}

}  // namespace farlane::server
