// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/hangup_watch.h"

#include <chrono>
#include <thread>

#include <poll.h>
#include <unistd.h>

#include "protocol/base/log.h"
#include "protocol/transport/liveness.h"

namespace farlane::server {
namespace {

// A machine that has lost power or network says nothing: it has to be looked for.
constexpr int kLookMs = 1000;

}  // namespace

void WatchHangup(int socket) {
  std::thread([socket] {
    pollfd watched{.fd = socket, .events = POLLRDHUP, .revents = 0};
    int ready = 0;
    while (ready <= 0) {
      ready = poll(&watched, 1, kLookMs);
      if (ready == 0 && transport::PeerIsSilent(socket)) {
        LogInfo("worker %d: the machine of its client is silent", getpid());
        break;
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(kHangupGraceMs));
    LogWarn("worker %d: its client is gone; ending it", getpid());
    _exit(1);
  }).detach();
}

}  // namespace farlane::server
