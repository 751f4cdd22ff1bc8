// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/hangup_watch.h"

#include <chrono>
#include <thread>

#include <poll.h>
#include <unistd.h>

#include "protocol/base/log.h"

namespace farlane::server {

void WatchHangup(int socket) {
  std::thread([socket] {
    pollfd watched{.fd = socket, .events = POLLRDHUP, .revents = 0};
    while (poll(&watched, 1, -1) < 0) {
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(kHangupGraceMs));
    LogWarn("worker %d: its client is gone while it is in the driver; ending it", getpid());
    _exit(1);
  }).detach();
}

}  // namespace farlane::server
