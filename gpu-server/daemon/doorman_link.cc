// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/doorman_link.h"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gpu-server/daemon/doorman.h"
#include "gpu-server/daemon/forked_child.h"
#include "protocol/base/log.h"

namespace farlane::server {
namespace {

using Kind = ControlRecord::Kind;

// A key that cannot be read now cannot be read a millisecond later.
constexpr uint64_t kPauseNs = 1'000'000'000;
// To load OpenSSL and read two files.
constexpr int kStartMs = 10'000;

}  // namespace

DoormanLink::~DoormanLink() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

Status DoormanLink::Fork() {
  FARLANE_ASSIGN(SocketPair pair, MakeSocketPair());
  const pid_t daemon = getpid();
  WipeUnusedStack();
  const pid_t pid = fork();
  if (pid < 0) {
    return Status::FromErrno(StatusCode::kExhausted, "cannot fork the doorman", errno);
  }
  if (pid == 0) {
    RunDoorman(std::move(pair.worker), daemon, settings_);
  }
  pid_ = pid;
  control_ = std::move(pair.daemon);
  return Status::Ok();
}

Status DoormanLink::Start(const transport::TlsServerSettings& settings) {
  settings_ = settings;
  FARLANE_TRY(Fork());
  pollfd waiting{.fd = control_.get(), .events = POLLIN, .revents = 0};
  while (poll(&waiting, 1, kStartMs) < 0 && errno == EINTR) {
  }
  ControlRecord record;
  if (ReceiveRecord(control_.get(), &record, false) != Received::kRecord) {
    return Status(StatusCode::kUnavailable,
                  "the process that holds the private key does not start");
  }
  return record.kind == Kind::kReady ? Status::Ok()
                                     : Status(StatusCode::kInvalidArgument, record.tail);
}

bool DoormanLink::Lead(uint64_t id, const Fd& socket) {
  return control_.valid() &&
         SendRecord(control_.get(), {.kind = Kind::kShake, .id = id}, false, socket.get());
}

void DoormanLink::Say(uint64_t id, const std::string& bytes, bool last) {
  for (size_t start = 0; start < bytes.size(); start += kControlTailMax) {
    const bool ends = last && bytes.size() - start <= kControlTailMax;
    SendRecord(control_.get(),
               {.kind = Kind::kSay,
                .id = id,
                .bytes = ends ? 1u : 0u,
                .tail = bytes.substr(start, kControlTailMax)},
               false);
  }
}

void DoormanLink::HandOver(uint64_t id, const Fd& pipe) {
  SendRecord(control_.get(), {.kind = Kind::kHandOver, .id = id}, false, pipe.get());
}

void DoormanLink::Hear(const Ears& ears, uint64_t now_ns) {
  while (control_.valid()) {
    ControlRecord record;
    const Received received = ReceiveRecord(control_.get(), &record, false);
    if (received == Received::kNothing) {
      break;
    }
    if (received == Received::kGone) {
      Bury(now_ns, ears);
    } else if (record.kind == Kind::kMet) {
      ears.met(record.id, record.tail);
    } else if (record.kind == Kind::kTurnedAway) {
      ears.turned_away(record.id, record.tail);
    } else if (record.kind == Kind::kFailed) {
      LogError("nobody can come by TLS: %s", record.tail.c_str());
    }
    explicit_bzero(record.tail.data(), record.tail.size());
  }
  if (!control_.valid() && now_ns >= not_before_ns_) {
    not_before_ns_ = now_ns + kPauseNs;
    if (const Status status = Fork(); !status.ok()) {
      LogError("%s", status.message().c_str());
    }
  }
}

void DoormanLink::Bury(uint64_t now_ns, const Ears& ears) {
  control_.Reset();
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  LogWarn("the process that holds the private key has ended; starting it again");
  not_before_ns_ = now_ns + kPauseNs;
  ears.lost();
}

}  // namespace farlane::server
