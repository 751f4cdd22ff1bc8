// SPDX-License-Identifier: Apache-2.0
#include "protocol/transport/bulk_window.h"

#include <algorithm>

// Not netinet/tcp.h: its tcp_info ends before the rate.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace farlane::transport {

uint64_t BulkWindow(int socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
      size < offsetof(tcp_info, tcpi_delivery_rate) + sizeof info.tcpi_delivery_rate) {
    return kBulkWindowMin;
  }
  // Bytes in a second, and microseconds; both are 0 as long as nothing has been measured.
  const double path = 1.25 * static_cast<double>(info.tcpi_delivery_rate) *
                      static_cast<double>(info.tcpi_min_rtt) * 1e-6;
  return static_cast<uint64_t>(
      std::clamp(path, static_cast<double>(kBulkWindowMin), static_cast<double>(kBulkWindowMax)));
}

}  // namespace farlane::transport
