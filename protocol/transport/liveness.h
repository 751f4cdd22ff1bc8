// SPDX-License-Identifier: Apache-2.0
// Whether the machine at the other end of a TCP connection still answers. A process that ends says
// so by itself; a machine that loses power or network says nothing, and without care a connection
// to it would stand for hours.
#pragma once

#include <cstdint>

namespace farlane::transport {

// An idle connection is asked this often, by the system itself.
inline constexpr int kHeartbeatSeconds = 1;
// After so long without a sign the peer's machine is taken for gone. Until then the connection may
// come back.
inline constexpr int kSilenceSeconds = 60;

// Has the system ask while the connection is idle. Nothing on a socket that is not TCP.
void KeepAlive(int socket, int silence_seconds = kSilenceSeconds);

// Whether data or a question of ours has been waiting for a sign of the peer's machine for too
// long. The system alone would try for a quarter of an hour. A peer that answers but does not read
// is alive, however long that takes. False on a socket that is not TCP.
bool PeerIsSilent(int socket, int silence_seconds = kSilenceSeconds);

}  // namespace farlane::transport
