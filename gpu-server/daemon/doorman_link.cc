// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/doorman_link.h"

#include <cerrno>

#include <poll.h>

#include "gpu-server/daemon/doorman.h"
#include "protocol/base/log.h"

namespace farlane::server {
namespace {

using Kind = ControlRecord::Kind;

// To load OpenSSL and read two files.
constexpr int kStartMs = 10'000;

}  // namespace

Status DoormanLink::Start(const transport::TlsServerSettings& settings) {
  FARLANE_TRY(doorman_.Start([settings](Fd control_end, pid_t daemon) {
    RunDoorman(std::move(control_end), daemon, settings);
  }));
  pollfd waiting{.fd = doorman_.link(), .events = POLLIN, .revents = 0};
  while (poll(&waiting, 1, kStartMs) < 0 && errno == EINTR) {
  }
  ControlRecord record;
  if (ReceiveRecord(doorman_.link(), &record, false) != Received::kRecord) {
    return Status(StatusCode::kUnavailable,
                  "the process that holds the private key does not start");
  }
  return record.kind == Kind::kReady ? Status::Ok()
                                     : Status(StatusCode::kInvalidArgument, record.tail);
}

bool DoormanLink::Lead(uint64_t id, const Fd& socket) {
  return doorman_.link() >= 0 &&
         SendRecord(doorman_.link(), {.kind = Kind::kShake, .id = id}, false, socket.get());
}

void DoormanLink::Say(uint64_t id, const std::string& bytes, bool last) {
  for (size_t start = 0; start < bytes.size(); start += kControlTailMax) {
    const bool ends = last && bytes.size() - start <= kControlTailMax;
    SendRecord(doorman_.link(),
               {.kind = Kind::kSay,
                .id = id,
                .bytes = ends ? 1u : 0u,
                .tail = bytes.substr(start, kControlTailMax)},
               false);
  }
}

void DoormanLink::HandOver(uint64_t id, const Fd& pipe) {
  SendRecord(doorman_.link(), {.kind = Kind::kHandOver, .id = id}, false, pipe.get());
}

void DoormanLink::Hear(const Ears& ears, uint64_t now_ns) {
  doorman_.Hear(
      [&](const ControlRecord& record) {
        if (record.kind == Kind::kMet) {
          ears.met(record.id, record.tail);
        } else if (record.kind == Kind::kTurnedAway) {
          ears.turned_away(record.id, record.tail);
        } else if (record.kind == Kind::kFailed) {
          LogError("nobody can come by TLS: %s", record.tail.c_str());
        }
      },
      ears.lost, now_ns);
}

}  // namespace farlane::server
