// SPDX-License-Identifier: Apache-2.0
#include "protocol/transport/liveness.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace farlane::transport {
namespace {

// So many tries without an answer: one that was lost on the way is no silence.
constexpr uint8_t kUnansweredMin = 3;

}  // namespace

void KeepAlive(int socket, int silence_seconds) {
  const int on = 1;
  const int questions = silence_seconds / kHeartbeatSeconds - 1;
  if (setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &kHeartbeatSeconds, sizeof(int)) != 0) {
    return;
  }
  setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &kHeartbeatSeconds, sizeof(int));
  setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &questions, sizeof questions);
  // Not TCP_USER_TIMEOUT: it would also end connections to peers that live and do not read.
  setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

bool PeerIsSilent(int socket, int silence_seconds) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
    return false;
  }
  return info.tcpi_last_ack_recv >= static_cast<unsigned>(silence_seconds) * 1000u &&
         (info.tcpi_retransmits >= kUnansweredMin || info.tcpi_probes >= kUnansweredMin);
}

}  // namespace farlane::transport
