// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/peer_user.h"

#include <array>
#include <cstring>
#include <vector>

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <unistd.h>

#include "protocol/base/fd.h"

namespace farlane::pool {
namespace {

// How the kernel's question names one end: 16 bytes, of which IPv4 takes the first four.
struct End {
  uint8_t family = AF_UNSPEC;
  uint16_t port = 0;  // in the network's order
  std::array<uint32_t, 4> address{};
};

// An IPv4 address that is written as one of IPv6 is asked for as what it is.
End EndOf(const sockaddr_storage& where) {
  End end;
  if (where.ss_family == AF_INET) {
    sockaddr_in v4{};
    memcpy(&v4, &where, sizeof v4);
    end.family = AF_INET;
    end.port = v4.sin_port;
    end.address[0] = v4.sin_addr.s_addr;
  } else if (where.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    memcpy(&v6, &where, sizeof v6);
    const bool mapped = IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr);
    end.family = mapped ? AF_INET : AF_INET6;
    end.port = v6.sin6_port;
    memcpy(end.address.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    end.address = mapped ? std::array<uint32_t, 4>{end.address[3], 0, 0, 0} : end.address;
  }
  return end;
}

bool IsLoopback(const End& end) {
  constexpr uint32_t kLoopbackNet = 127;
  in6_addr v6{};
  memcpy(&v6, end.address.data(), sizeof v6);
  return (end.family == AF_INET && ntohl(end.address[0]) >> 24 == kLoopbackNet) ||
         (end.family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6));
}

// The kernel's word about the socket that is bound to `from` and connected to `to`.
std::optional<inet_diag_msg> AskKernel(const End& from, const End& to) {
  const Fd kernel(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));

  struct {
    nlmsghdr head;
    inet_diag_req_v2 wanted;
  } question{};

  question.head.nlmsg_len = sizeof question;
  question.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.head.nlmsg_flags = NLM_F_REQUEST;
  question.wanted.sdiag_family = from.family;
  question.wanted.sdiag_protocol = IPPROTO_TCP;
  question.wanted.idiag_states = 1u << TCP_ESTABLISHED;
  question.wanted.id.idiag_sport = from.port;
  question.wanted.id.idiag_dport = to.port;
  memcpy(question.wanted.id.idiag_src, from.address.data(), sizeof from.address);
  memcpy(question.wanted.id.idiag_dst, to.address.data(), sizeof to.address);
  memset(question.wanted.id.idiag_cookie, 0xff, sizeof question.wanted.id.idiag_cookie);
  std::array<char, 8192> answer{};
  const ssize_t sent = kernel.valid() ? send(kernel.get(), &question, sizeof question, 0) : -1;
  const ssize_t got = sent < 0 ? -1 : recv(kernel.get(), answer.data(), answer.size(), 0);
  nlmsghdr head{};
  inet_diag_msg said{};
  if (got < static_cast<ssize_t>(sizeof head + sizeof said)) {
    return std::nullopt;
  }
  memcpy(&head, answer.data(), sizeof head);
  memcpy(&said, answer.data() + NLMSG_HDRLEN, sizeof said);
  return head.nlmsg_type == SOCK_DIAG_BY_FAMILY ? std::optional(said) : std::nullopt;
}

}  // namespace

std::optional<uid_t> UserOfPeer(const sockaddr_storage& peer, const sockaddr_storage& own) {
  const End from = EndOf(peer);
  const End to = EndOf(own);
  if (from.family != to.family || !IsLoopback(from) || !IsLoopback(to)) {
    return std::nullopt;
  }
  const std::optional<inet_diag_msg> said = AskKernel(from, to);
  // A socket that nobody holds any more is root's in the kernel's books: whoever closes his in time
  // would be taken for root.
  const bool is_held =
      said.has_value() && said->idiag_state == TCP_ESTABLISHED && said->idiag_inode != 0;
  return is_held ? std::optional<uid_t>(said->idiag_uid) : std::nullopt;
}

std::optional<uid_t> UserOfPeer(int connection) {
  sockaddr_storage peer{};
  sockaddr_storage own{};
  socklen_t peer_bytes = sizeof peer;
  socklen_t own_bytes = sizeof own;
  const bool known =
      getpeername(connection, reinterpret_cast<sockaddr*>(&peer), &peer_bytes) == 0 &&
      getsockname(connection, reinterpret_cast<sockaddr*>(&own), &own_bytes) == 0;
  return known ? UserOfPeer(peer, own) : std::nullopt;
}

std::optional<sockaddr_storage> ReadPeer(const std::string& text) {
  const size_t kind = text.find(':');
  const size_t colon = text.rfind(':');
  if (kind == std::string::npos || colon <= kind + 1) {
    return std::nullopt;
  }
  std::string host = text.substr(kind + 1, colon - kind - 1);
  const auto port = static_cast<uint16_t>(strtoul(text.c_str() + colon + 1, nullptr, 10));
  sockaddr_storage where{};
  if (text.starts_with("ipv4:")) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) != 1) {
      return std::nullopt;
    }
    memcpy(&where, &v4, sizeof v4);
    return where;
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  // "ipv6:%5B::1%5D:40000": what stands for brackets is taken away.
  for (const char* const bracket : {"%5B", "%5D", "[", "]"}) {
    if (const size_t at = host.find(bracket); at != std::string::npos) {
      host.erase(at, strlen(bracket));
    }
  }
  if (!text.starts_with("ipv6:") || inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) != 1) {
    return std::nullopt;
  }
  memcpy(&where, &v6, sizeof v6);
  return where;
}

std::string UserName(uid_t user) {
  std::vector<char> text(16 << 10);
  passwd entry{};
  passwd* found = nullptr;
  const bool known =
      getpwuid_r(user, &entry, text.data(), text.size(), &found) == 0 && found != nullptr;
  return known ? entry.pw_name : "uid-" + std::to_string(user);
}

}  // namespace farlane::pool
