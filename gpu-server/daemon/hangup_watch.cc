// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/hangup_watch.h"

#include <chrono>
#include <thread>

#include <poll.h>
#include <unistd.h>

#include "protocol/base/log.h"
#include "protocol/channel/pulse.h"
#include "protocol/transport/liveness.h"

namespace farlane::server {
namespace {

constexpr int kLookMs = static_cast<int>(channel::kPulseNs / 1'000'000);

// Once a second; false when the client is given up.
bool Look(channel::Pulse* pulse, Outbox& outbox, const Ears& ears, uint32_t grace) {
  if (pulse->MustSpeak(outbox.written_bytes())) {
    outbox.Beat();
    pulse->NoteSpoken(outbox.written_bytes());
  }
  if (!ears.listening.load(std::memory_order_relaxed) ||
      !ears.expecting.load(std::memory_order_relaxed)) {
    return true;
  }
  switch (pulse->Look(ears.heard.load(std::memory_order_relaxed))) {
    case channel::Pulse::Finding::kSuspected:
      LogInfo("worker %d: its client is silent", getpid());
      return true;
    case channel::Pulse::Finding::kBack:
      LogInfo("worker %d: its client is back", getpid());
      return true;
    case channel::Pulse::Finding::kLost:
      LogWarn("worker %d: its client has been silent for %u seconds", getpid(), grace);
      return false;
    default:
      return true;
  }
}

}  // namespace

void WatchHangup(int socket, Outbox& outbox, const Ears& ears, uint32_t grace) {
  std::thread([socket, &outbox, &ears, grace] {
    pollfd watched{.fd = socket, .events = POLLRDHUP, .revents = 0};
    channel::Pulse pulse(grace);
    bool is_there = true;
    while (is_there && poll(&watched, 1, kLookMs) <= 0) {
      is_there = !transport::PeerIsSilent(socket) && Look(&pulse, outbox, ears, grace);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(kHangupGraceMs));
    LogWarn("worker %d: its client is gone; ending it", getpid());
    _exit(1);
  }).detach();
}

}  // namespace farlane::server
