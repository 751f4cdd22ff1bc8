// SPDX-License-Identifier: Apache-2.0
// Whose process is at the other end of a connection that does not leave this machine: the kernel is
// asked, as it is for a Unix socket.
#pragma once

#include <optional>
#include <string>

#include <sys/socket.h>
#include <sys/types.h>

namespace farlane::pool {

// Of a TCP connection over loopback addresses. Nothing: it comes from elsewhere, has been closed at
// the other end, or the kernel does not say.
std::optional<uid_t> UserOfPeer(const sockaddr_storage& peer, const sockaddr_storage& own);

// The same, of a socket that is connected.
std::optional<uid_t> UserOfPeer(int connection);

// "ipv4:127.0.0.1:40000", as gRPC writes it; nothing: it is written otherwise.
std::optional<sockaddr_storage> ReadPeer(const std::string& text);

// "ann"; "uid-1234" where the system has no name for it.
std::string UserName(uid_t user);

}  // namespace farlane::pool
