// SPDX-License-Identifier: Apache-2.0
#include "protocol/transport/ring_meeting.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include <netinet/in.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "protocol/base/clock.h"
#include "protocol/transport/address.h"
#include "protocol/transport/shm_stream.h"
#include "protocol/transport/socket_stream.h"

namespace farlane::transport {
namespace {

// Said over the connection by a client that does not come.
constexpr char kStays = 's';
// Visitors who have not shown a proof yet; the one that came first goes when there are more.
constexpr size_t kVisitorsMax = 16;
// The server's side waits longer than this to hear that the client stays.
constexpr uint64_t kVisitNs = 1'000'000'000;

Address PlaceAddress(const MeetingPlace& place) {
  static const char digits[] = "0123456789abcdef";
  Address address{.kind = Address::Kind::kUnix, .host = {}, .path = "@farlane-meet-"};
  for (const uint8_t byte : place.name) {
    address.path += digits[byte >> 4];
    address.path += digits[byte & 15];
  }
  return address;
}

int PollTimeout(Deadline until) {
  const uint64_t now = NowNs();
  return now >= until ? 0
                      : static_cast<int>(std::min<uint64_t>((until - now) / 1'000'000 + 1, 60'000));
}

std::unique_ptr<Stream> StayHere(Fd connection) {
  return std::make_unique<SocketStream>(std::move(connection));
}

// As long as the proof, whatever was shown: how much of it was right shows in no time.
bool IsProof(const std::array<uint8_t, 16>& proof, const uint8_t* shown) {
  uint8_t different = 0;
  for (size_t i = 0; i < proof.size(); ++i) {
    different = static_cast<uint8_t>(different | (proof[i] ^ shown[i]));
  }
  return different == 0;
}

}  // namespace

// ---- the side that waits

RingMeeting::RingMeeting(MeetingPlace place, Fd listener)
    : place_(place), listener_(std::move(listener)) {}

Result<RingMeeting> RingMeeting::Open() {
  MeetingPlace place;
  if (getrandom(place.name.data(), place.name.size(), 0) !=
          static_cast<ssize_t>(place.name.size()) ||
      getrandom(place.proof.data(), place.proof.size(), 0) !=
          static_cast<ssize_t>(place.proof.size())) {
    return Status::FromErrno(StatusCode::kInternal, "no random numbers", errno);
  }
  FARLANE_ASSIGN(Fd listener, Listen(PlaceAddress(place), nullptr));
  return RingMeeting(place, std::move(listener));
}

// Null for a visitor who is not the client, and for a client that cannot be given memory: it sees
// the end of its visit, and says that it stays.
std::unique_ptr<Stream> RingMeeting::Serve(Fd visitor) const {
  uint8_t shown[sizeof place_.proof] = {};
  const ssize_t got = recv(visitor.get(), shown, sizeof shown, MSG_DONTWAIT);
  if (got != static_cast<ssize_t>(sizeof shown) || !IsProof(place_.proof, shown)) {
    return nullptr;
  }
  Result<std::unique_ptr<ShmStream>> stream = ShmStream::Offer(std::move(visitor));
  return stream.ok() ? std::move(stream).value() : nullptr;
}

// Those who have shown something go, with the stream or without.
std::unique_ptr<Stream> RingMeeting::ServeAll(std::vector<Fd>* visitors) const {
  for (size_t i = visitors->size(); i-- > 0;) {
    pollfd waiting{.fd = (*visitors)[i].get(), .events = POLLIN, .revents = 0};
    if (poll(&waiting, 1, 0) == 0) {
      continue;
    }
    Fd visitor = std::move((*visitors)[i]);
    visitors->erase(visitors->begin() + static_cast<ptrdiff_t>(i));
    if (std::unique_ptr<Stream> stream = Serve(std::move(visitor))) {
      return stream;
    }
  }
  return nullptr;
}

Result<std::unique_ptr<Stream>> RingMeeting::Await(Fd connection, Deadline until) const {
  std::vector<Fd> visitors;
  while (NowNs() < until) {
    std::vector<pollfd> polls = {{.fd = connection.get(), .events = POLLIN, .revents = 0},
                                 {.fd = listener_.get(), .events = POLLIN, .revents = 0}};
    for (const Fd& visitor : visitors) {
      polls.push_back({.fd = visitor.get(), .events = POLLIN, .revents = 0});
    }
    poll(polls.data(), polls.size(), PollTimeout(until));
    Fd visitor(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (visitor.valid()) {
      visitors.push_back(std::move(visitor));
    }
    if (std::unique_ptr<Stream> stream = ServeAll(&visitors)) {
      return stream;
    }
    if (visitors.size() > kVisitorsMax) {
      visitors.erase(visitors.begin());
    }
    char said = 0;
    const ssize_t got = recv(connection.get(), &said, 1, MSG_DONTWAIT);
    if (got == 1 && said == kStays) {
      return StayHere(std::move(connection));
    }
    if (got >= 0 || (errno != EAGAIN && errno != EINTR)) {
      return Status(StatusCode::kUnavailable, "the client went away during the handshake");
    }
  }
  return Status(StatusCode::kTimeout, "the client neither came for shared memory nor stayed");
}

// ---- the side that comes

namespace {

// The place can be on the server's machine and not on this one.
Result<std::unique_ptr<Stream>> Visit(const MeetingPlace& place, Deadline until) {
  FARLANE_ASSIGN(Fd visit, Connect(PlaceAddress(place), kVisitNs));
  if (send(visit.get(), place.proof.data(), place.proof.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(place.proof.size())) {
    return Status::FromErrno(StatusCode::kUnavailable, "cannot show the proof", errno);
  }
  FARLANE_ASSIGN(std::unique_ptr<Stream> stream, ShmStream::Accept(std::move(visit), until));
  return stream;
}

}  // namespace

Result<std::unique_ptr<Stream>> ComeToMeeting(const MeetingPlace& place,
                                              Fd connection,
                                              Deadline until) {
  Result<std::unique_ptr<Stream>> visited = Visit(place, std::min(until, NowNs() + kVisitNs));
  if (visited.ok()) {
    return visited;
  }
  const char stays = kStays;
  if (send(connection.get(), &stays, 1, MSG_NOSIGNAL) != 1) {
    return Status::FromErrno(StatusCode::kUnavailable, "cannot send", errno);
  }
  return StayHere(std::move(connection));
}

bool MayBeOneMachine(int socket) {
  sockaddr_storage near{};
  sockaddr_storage far{};
  socklen_t near_size = sizeof near;
  socklen_t far_size = sizeof far;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&near), &near_size) != 0 ||
      getpeername(socket, reinterpret_cast<sockaddr*>(&far), &far_size) != 0 ||
      near.ss_family != far.ss_family) {
    return false;
  }
  if (near.ss_family == AF_INET) {
    return memcmp(&reinterpret_cast<sockaddr_in*>(&near)->sin_addr,
                  &reinterpret_cast<sockaddr_in*>(&far)->sin_addr, sizeof(in_addr)) == 0;
  }
  return near.ss_family == AF_INET6 &&
         memcmp(&reinterpret_cast<sockaddr_in6*>(&near)->sin6_addr,
                &reinterpret_cast<sockaddr_in6*>(&far)->sin6_addr, sizeof(in6_addr)) == 0;
}

}  // namespace farlane::transport
