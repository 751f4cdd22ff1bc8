// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/doorman.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include <poll.h>
#include <sys/socket.h>

#include "gpu-server/daemon/control_record.h"
#include "gpu-server/daemon/forked_child.h"
#include "gpu-server/daemon/sandbox.h"
#include "gpu-server/daemon/tls_pass.h"
#include "protocol/base/clock.h"

namespace farlane::server {
namespace {

using Kind = ControlRecord::Kind;
using Step = transport::TlsHandshake::Step;

// For a handshake and a hello together.
constexpr uint64_t kSilenceNs = 5'000'000'000;
// A refusal must reach the peer, so it is given the time to close first.
constexpr uint64_t kFarewellNs = 1'000'000'000;
// What a guest may leave untaken: more than the longest answer.
constexpr size_t kUnsentMax = 4 << 20;
// More handshakes than this are not made at the same time.
constexpr size_t kGuestsMax = 768;

// One who stands at the door. Thread: the doorman's only one.
class Guest {
 public:
  enum class State : uint8_t {
    kShaking,  // the handshake is under way
    kSilent,   // TLS stands, and some of the hello is missing
    kWaiting,  // the daemon has the hello and decides
    kTold,     // the last that it is told has not all left
    kLeaving,  // everything is said
    kGone,
  };

  Guest(uint64_t id, Fd socket, uint64_t until_ns)
      : id_(id), socket_(std::move(socket)), until_ns_(until_ns) {}

  Guest(Guest&&) = default;
  Guest& operator=(Guest&&) = default;

  ~Guest() { explicit_bzero(&hello_, sizeof hello_); }

  uint64_t id() const { return id_; }

  State state() const { return state_; }

  uint64_t until_ns() const { return state_ == State::kWaiting ? UINT64_MAX : until_ns_; }

  pollfd Poll() const;

  Status Begin(transport::TlsServer& server) {
    FARLANE_ASSIGN(handshake_, server.Begin(socket_.get()));
    return Status::Ok();
  }

  // Goes on; true when the hello is complete just now.
  Result<bool> Look(transport::TlsLibrary& library);

  // Tells the guest something; `last`: and nothing more.
  void Say(const std::string& bytes, bool last, uint64_t now_ns);
  void HandOver(int pipe);
  void Leave(uint64_t now_ns);

  // What the daemon is told: the hello, and behind it the name in the guest's certificate.
  std::string Report() const {
    return std::string(reinterpret_cast<const char*>(&hello_), sizeof hello_) + name_;
  }

 private:
  int descriptor() const { return connection_ != nullptr ? connection_->WaitFd() : socket_.get(); }

  Result<bool> Shake(transport::TlsLibrary& library);
  Result<bool> ReadHello();
  void SendRest(uint64_t now_ns);

  uint64_t id_ = 0;
  Fd socket_;  // during the handshake; then the connection's
  State state_ = State::kShaking;
  Step step_ = Step::kWantsRead;
  uint64_t until_ns_ = 0;
  std::unique_ptr<transport::TlsHandshake> handshake_;
  std::unique_ptr<transport::TlsConnection> connection_;
  wire::ClientHello hello_{};
  size_t got_ = 0;
  std::string name_;
  std::string unsent_;
};

pollfd Guest::Poll() const {
  const bool writes =
      state_ == State::kTold || (state_ == State::kShaking && step_ == Step::kWantsWrite);
  // One that waits has nothing to say but its end.
  const int events = state_ == State::kWaiting ? POLLRDHUP : writes ? POLLOUT : POLLIN;
  return {.fd = descriptor(), .events = static_cast<short>(events), .revents = 0};
}

Result<bool> Guest::Look(transport::TlsLibrary& library) {
  switch (state_) {
    case State::kShaking:
      return Shake(library);
    case State::kSilent:
      return ReadHello();
    case State::kWaiting:
      return Status(StatusCode::kUnavailable, "the client went away while it waited");
    case State::kTold:
      SendRest(NowNs());
      return false;
    case State::kLeaving: {
      char bytes[4096];
      const ssize_t got = recv(descriptor(), bytes, sizeof bytes, MSG_DONTWAIT);
      if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        state_ = State::kGone;
      }
      return false;
    }
    default:
      return false;
  }
}

Result<bool> Guest::Shake(transport::TlsLibrary& library) {
  FARLANE_ASSIGN(step_, handshake_->Advance());
  if (step_ != Step::kDone) {
    return false;
  }
  name_ = handshake_->peer_name();
  transport::TlsState state = handshake_->state();
  handshake_.reset();
  Result<std::unique_ptr<transport::TlsConnection>> made =
      library.Resume(std::move(socket_), state);
  explicit_bzero(&state, sizeof state);
  FARLANE_ASSIGN(connection_, std::move(made));
  state_ = State::kSilent;
  return ReadHello();
}

Result<bool> Guest::ReadHello() {
  const Bytes whole = std::as_writable_bytes(std::span(&hello_, 1));
  FARLANE_ASSIGN(const transport::Transfer got, connection_->Read(whole.subspan(got_)));
  got_ += got.bytes;
  if (got.closed) {
    return Status(StatusCode::kUnavailable, "the client went away before its hello");
  }
  if (memcmp(hello_.magic, wire::kHelloMagic, std::min(got_, sizeof hello_.magic)) != 0) {
    return Status(StatusCode::kCorrupt, "the client does not speak our protocol");
  }
  if (got_ < sizeof hello_) {
    return false;
  }
  if (!connection_->IsBetweenRecords()) {
    return Status(StatusCode::kCorrupt, "the client says more than its hello");
  }
  state_ = State::kWaiting;
  return true;
}

void Guest::Say(const std::string& bytes, bool last, uint64_t now_ns) {
  if (connection_ == nullptr || state_ == State::kLeaving) {
    state_ = State::kGone;
    return;
  }
  unsent_ += bytes;
  if (last) {
    state_ = State::kTold;
    until_ns_ = now_ns + kSilenceNs;
  }
  SendRest(now_ns);
}

void Guest::SendRest(uint64_t now_ns) {
  const iovec part{.iov_base = unsent_.data(), .iov_len = unsent_.size()};
  const Result<size_t> sent = connection_->Write(std::span(&part, 1));
  if (!sent.ok() || unsent_.size() - *sent > kUnsentMax) {
    state_ = State::kGone;  // it takes nothing of what it waits for
    return;
  }
  unsent_.erase(0, *sent);
  if (unsent_.empty() && state_ == State::kTold) {
    Leave(now_ns);
  }
}

// Closing with something unread would take the last words back from under the peer's eyes.
void Guest::Leave(uint64_t now_ns) {
  shutdown(descriptor(), SHUT_WR);
  state_ = State::kLeaving;
  until_ns_ = now_ns + kFarewellNs;
}

void Guest::HandOver(int pipe) {
  if (connection_ != nullptr && state_ == State::kWaiting && unsent_.empty()) {
    TlsPass pass{.state = connection_->state(), .hello = hello_};
    // The daemon has looked at these, and a worker has no use for them.
    explicit_bzero(pass.hello.token, sizeof pass.hello.token);
    explicit_bzero(pass.hello.session_key, sizeof pass.hello.session_key);
    static_cast<void>(GivePass(pipe, pass));  // a worker that is gone needs none
    explicit_bzero(&pass, sizeof pass);
  }
  state_ = State::kGone;
}

// Thread: the doorman's only one.
class Doorman {
 public:
  Doorman(int control, transport::TlsLibrary& library, std::unique_ptr<transport::TlsServer> server)
      : control_(control), library_(library), server_(std::move(server)) {}

  // Returns when the daemon is gone.
  void Run();

 private:
  void Wait(std::vector<pollfd>* polls) const;
  bool Hear();
  void Do(const ControlRecord& record, Fd descriptor);
  void LookAt(Guest& guest);

  void Tell(Kind kind, uint64_t id, std::string tail) {
    SendRecord(control_, {.kind = kind, .id = id, .tail = std::move(tail)}, true);
  }

  const int control_;
  transport::TlsLibrary& library_;
  const std::unique_ptr<transport::TlsServer> server_;
  std::vector<Guest> guests_;
};

void Doorman::Run() {
  while (true) {
    std::vector<pollfd> polls;
    Wait(&polls);
    // What was polled comes first, since newcomers are behind it.
    for (size_t i = 1; i < polls.size(); ++i) {
      if (polls[i].revents != 0) {
        LookAt(guests_[i - 1]);
      }
    }
    if (!Hear()) {
      return;
    }
    const uint64_t now_ns = NowNs();
    std::erase_if(guests_, [this, now_ns](const Guest& guest) {
      const bool late = now_ns >= guest.until_ns();
      if (late && guest.state() != Guest::State::kLeaving && guest.state() != Guest::State::kGone) {
        Tell(Kind::kTurnedAway, guest.id(), "no handshake of TLS and no hello in time");
      }
      return late || guest.state() == Guest::State::kGone;
    });
  }
}

void Doorman::Wait(std::vector<pollfd>* polls) const {
  polls->push_back({.fd = control_, .events = POLLIN, .revents = 0});
  uint64_t until_ns = UINT64_MAX;
  for (const Guest& guest : guests_) {
    polls->push_back(guest.Poll());
    until_ns = std::min(until_ns, guest.until_ns());
  }
  const uint64_t now_ns = NowNs();
  const int left_ms = until_ns == UINT64_MAX ? -1
                      : until_ns <= now_ns
                          ? 0
                          : static_cast<int>((until_ns - now_ns + 999'999) / 1'000'000);
  if (poll(polls->data(), polls->size(), left_ms) < 0) {
    polls->clear();  // interrupted: nothing is known
  }
}

void Doorman::LookAt(Guest& guest) {
  const Result<bool> complete = guest.Look(library_);
  if (!complete.ok()) {
    Tell(Kind::kTurnedAway, guest.id(), complete.error().message());
    guest.Leave(NowNs());
  } else if (*complete) {
    Tell(Kind::kMet, guest.id(), guest.Report());
  }
}

// False when the daemon is gone.
bool Doorman::Hear() {
  while (true) {
    ControlRecord record;
    Fd descriptor;
    const Received received = ReceiveRecord(control_, &record, false, &descriptor);
    if (received != Received::kRecord) {
      return received == Received::kNothing;
    }
    Do(record, std::move(descriptor));
  }
}

void Doorman::Do(const ControlRecord& record, Fd descriptor) {
  const uint64_t now_ns = NowNs();
  if (record.kind == Kind::kShake) {
    Guest guest(record.id, std::move(descriptor), now_ns + kSilenceNs);
    const Status begun = guests_.size() < kGuestsMax
                             ? guest.Begin(*server_)
                             : Status(StatusCode::kExhausted, "too many handshakes at a time");
    if (!begun.ok()) {
      Tell(Kind::kTurnedAway, record.id, begun.message());
      return;
    }
    guests_.push_back(std::move(guest));
    return;
  }
  const auto found = std::find_if(guests_.begin(), guests_.end(), [&record](const Guest& guest) {
    return guest.id() == record.id;
  });
  if (found == guests_.end()) {
    return;
  }
  if (record.kind == Kind::kSay) {
    found->Say(record.tail, record.bytes != 0, now_ns);
  } else {
    found->HandOver(descriptor.get());
  }
}

}  // namespace

void RunDoorman(Fd inherited, pid_t daemon, const transport::TlsServerSettings& settings) {
  const Fd control = BecomeChild(std::move(inherited), daemon, "gpud-doorman");
  const Result<transport::TlsLibrary*> library = transport::LoadTls();
  Result<std::unique_ptr<transport::TlsServer>> server =
      library.ok() ? (*library)->Serve(settings) : library.error();
  const Status ready = server.ok() ? EnterSandbox() : server.error();
  const Kind kind = ready.ok() ? Kind::kReady : Kind::kFailed;
  SendRecord(control.get(), {.kind = kind, .tail = ready.message()}, true);
  if (ready.ok()) {
    Doorman(control.get(), **library, std::move(*server)).Run();
  }
  _exit(ready.ok() ? 0 : 1);
}

}  // namespace farlane::server
