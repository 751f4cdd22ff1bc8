// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/worker.h"

#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gpu-server/daemon/admission.h"
#include "gpu-server/daemon/control_record.h"
#include "gpu-server/daemon/daemon_link.h"
#include "gpu-server/daemon/hangup_watch.h"
#include "gpu-server/daemon/sandbox.h"
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

// The only descriptor besides the standard ones that a worker starts with.
constexpr int kControl = 3;

// Leaves nothing of the daemon's in this process but its memory: other clients' sockets, the
// listener and everything else is closed, and the daemon's death is this process's.
Fd Separate(Fd control, pid_t daemon) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != daemon) {
    _exit(1);  // it died before the line above
  }
  prctl(PR_SET_NAME, "gpud-worker");
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  // A terminal's interrupt goes to all; the daemon ends its workers itself.
  signal(SIGINT, SIG_IGN);
  if (control.get() != kControl) {
    dup3(control.get(), kControl, O_CLOEXEC);
    control.Reset();
    control = Fd(kControl);
  }
  close_range(kControl + 1, ~0u, 0);
  const Fd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  dup2(null.get(), STDIN_FILENO);
  return control;
}

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

// Both hellos; the stream is what follows them.
Result<std::unique_ptr<transport::Stream>> Greet(Fd connection,
                                                 const WorkerConfig& config,
                                                 wire::ClientHello* hello) {
  transport::SocketStream stream(std::move(connection));
  FARLANE_TRY(ReadHello(stream, hello));
  explicit_bzero(hello->token, sizeof hello->token);  // the daemon has looked at it
  explicit_bzero(hello->session_key, sizeof hello->session_key);
  const channel::OfferedWay way(hello->offers, stream.WaitFd());
  wire::ServerHello answer = MakeServerHello({}, config.boot);
  answer.worker = static_cast<uint32_t>(getpid());
  way.Announce(&answer);
  FARLANE_TRY(WriteHello(stream, answer));
  return way.Settle(stream.TakeSocket(), NowNs() + kHelloNs);
}

// What a worker has before it has a client.
struct Readiness {
  std::unique_ptr<Driver> driver;
  std::vector<DeviceFacts> facts;
  OutputPipe output;
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

// Serves the client until it is gone. The end of the process frees everything, at once and whatever
// the device is doing; nothing is taken apart before.
[[noreturn]] void Serve(transport::Stream& stream,
                        const wire::ClientHello& hello,
                        Readiness& ready,
                        DaemonLink& link,
                        const Grant& grant,
                        uint32_t grace) {
  const uint64_t start_ns = NowNs();
  const std::string client = Printable(hello.program, sizeof hello.program) + " (pid " +
                             std::to_string(hello.process) + " on " +
                             Printable(hello.host, sizeof hello.host) + ")";
  LogInfo("worker %d: serves %s over %s", getpid(), client.c_str(), stream.name());
  Wakeup wakeup;
  Outbox outbox(stream, wakeup);
  Ears ears;
  WatchHangup(stream.LifeFd(), outbox, ears, grace);
  ClientSession session(ready.driver->table(), link, outbox, wakeup, ready.output);
  link.Listen([&outbox](size_t device, uint64_t bytes, uint64_t recall) {
    outbox.Append(wire::CreditRecall{
        .device = static_cast<int32_t>(device), .bytes = bytes, .recall = recall});
    outbox.FlushOrWake();
  });
  session.OpenDevices(grant.quotas, link.TakeFirst(grant));
  AppendWelcome(outbox, *ready.driver, ready.facts, session.memories());
  SessionLoop loop(stream, session, wakeup, channel::WaitPolicy::Default(), ears);
  const SessionEnd end = loop.Run();
  LogEnd(loop, end, session, client, start_ns);
  _exit(0);
}

// One connection of the daemon's. Returns after a probe, or a client that was gone at once.
void Meet(Fd connection,
          Readiness& ready,
          DaemonLink& link,
          const Grant& grant,
          bool probe,
          const WorkerConfig& config) {
  wire::ClientHello hello{};
  const Result<std::unique_ptr<transport::Stream>> stream =
      Greet(std::move(connection), config, &hello);
  if (!stream.ok()) {
    LogInfo("worker %d: %s", getpid(), stream.error().message().c_str());
    if (!probe) {
      _exit(0);  // the daemon has given it a client once
    }
    return;
  }
  if (probe) {
    AnswerProbe(*stream.value(), ready, link, grant);
    return;
  }
  Serve(*stream.value(), hello, ready, link, grant, config.grace);
}

Status GetReady(const WorkerConfig& config, Readiness* ready) {
  ready->output.Catch();
  FARLANE_ASSIGN(ready->driver, Driver::LoadFirst(config.drivers));
  FARLANE_ASSIGN(ready->facts, CollectFacts(ready->driver->table()));
  return EnterSandbox();
}

}  // namespace

void RunWorker(Fd inherited, pid_t daemon, const WorkerConfig& config) {
  const Fd control = Separate(std::move(inherited), daemon);
  Readiness ready;
  const Status status = GetReady(config, &ready);
  ready.output.DrainToLog();
  if (!status.ok()) {
    Fail(control, status);
  }
  Capacity capacity{.total_bytes = {}, .driver_path = ready.driver->path()};
  for (const DeviceFacts& device : ready.facts) {
    capacity.total_bytes.push_back(device.total_bytes);
  }
  DaemonLink link(control.get());
  const ControlRecord report{.kind = ControlRecord::Kind::kReady, .tail = PackCapacity(capacity)};
  while (SendRecord(control.get(), report, true)) {
    ControlRecord record;
    Fd connection;
    Grant grant;
    if (ReceiveRecord(control.get(), &record, true, &connection) != Received::kRecord ||
        !connection.valid() || !UnpackGrant(record.tail, &grant) ||
        grant.quotas.size() != ready.facts.size()) {
      break;
    }
    Meet(std::move(connection), ready, link, grant, record.id != 0, config);
  }
  _exit(0);
}

}  // namespace farlane::server
