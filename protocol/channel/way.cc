// SPDX-License-Identifier: Apache-2.0
#include "protocol/channel/way.h"

#include <cstring>

#include "protocol/transport/shm_stream.h"

namespace farlane::channel {
namespace {

Status NotThisWay(const char* name, const transport::Address& server) {
  return Status(StatusCode::kInvalidArgument, std::string("FARLANE_TRANSPORT=") + name +
                                                  ": there is no such way to " + server.ToString());
}

Result<std::unique_ptr<transport::Stream>> TakeRings(Fd connection, transport::Deadline until) {
  FARLANE_ASSIGN(std::unique_ptr<transport::Stream> stream,
                 transport::ShmStream::Accept(std::move(connection), until));
  return stream;
}

Result<std::unique_ptr<transport::Stream>> Meet(const wire::ServerHello& answer,
                                                Fd connection,
                                                transport::Deadline until) {
  transport::MeetingPlace place;
  static_assert(sizeof place.name == sizeof answer.meeting &&
                sizeof place.proof == sizeof answer.proof);
  memcpy(place.name.data(), answer.meeting, sizeof answer.meeting);
  memcpy(place.proof.data(), answer.proof, sizeof answer.proof);
  return transport::ComeToMeeting(place, std::move(connection), until);
}

}  // namespace

std::optional<WishedTransport> ParseWish(const std::string& text) {
  if (text.empty() || text == "auto") {
    return WishedTransport::kAuto;
  }
  if (text == "tcp") {
    return WishedTransport::kTcp;
  }
  if (text == "unix") {
    return WishedTransport::kUnix;
  }
  return text == "shm" ? std::optional(WishedTransport::kShm) : std::nullopt;
}

Status CheckWish(WishedTransport wish, const transport::Address& server) {
  const bool is_unix = server.kind == transport::Address::Kind::kUnix;
  if (wish == WishedTransport::kTcp && is_unix) {
    return NotThisWay("tcp", server);
  }
  if (wish == WishedTransport::kShm && server.kind == transport::Address::Kind::kTls) {
    return NotThisWay("shm", server);
  }
  return wish == WishedTransport::kUnix && !is_unix ? NotThisWay("unix", server) : Status::Ok();
}

uint32_t OffersOf(WishedTransport wish, const transport::Address& server) {
  if (server.kind == transport::Address::Kind::kTls) {
    return 0;
  }
  return wish == WishedTransport::kAuto || wish == WishedTransport::kShm ? wire::kOffersRings : 0;
}

Result<std::unique_ptr<transport::Stream>> FollowWay(uint32_t offers,
                                                     const wire::ServerHello& answer,
                                                     std::unique_ptr<transport::Stream> connection,
                                                     transport::Deadline until) {
  const bool offered = (offers & wire::kOffersRings) != 0;
  if (answer.way == wire::Way::kHere) {
    return connection;
  }
  if (answer.way == wire::Way::kRings && offered) {
    return TakeRings(connection->TakeSocket(), until);
  }
  if (answer.way == wire::Way::kMeeting && offered) {
    return Meet(answer, connection->TakeSocket(), until);
  }
  return Status(StatusCode::kCorrupt, "the server chose a way that was not offered");
}

Status CheckFound(WishedTransport wish, const transport::Stream& stream) {
  return wish != WishedTransport::kShm || strcmp(stream.name(), "shm") == 0
             ? Status::Ok()
             : Status(StatusCode::kInvalidArgument,
                      "FARLANE_TRANSPORT=shm: no memory can be shared with the server, which is on "
                      "another machine or in a container of its own");
}

// ---- the worker's side

OfferedWay::OfferedWay(uint32_t offers, const transport::Stream& connection) {
  const auto is = [&connection](const char* name) { return strcmp(connection.name(), name) == 0; };
  if ((offers & wire::kOffersRings) == 0 || is("tls")) {
    return;  // what is under TLS stays there, whatever a client offers
  }
  if (is("unix")) {
    way_ = wire::Way::kRings;
    return;
  }
  if (!transport::MayBeOneMachine(connection.WaitFd())) {
    return;
  }
  Result<transport::RingMeeting> meeting = transport::RingMeeting::Open();
  if (meeting.ok()) {
    way_ = wire::Way::kMeeting;
    meeting_.emplace(std::move(meeting).value());
  }
}

void OfferedWay::Announce(wire::ServerHello* answer) const {
  answer->way = way_;
  if (meeting_.has_value()) {
    const transport::MeetingPlace& place = meeting_->place();
    memcpy(answer->meeting, place.name.data(), sizeof answer->meeting);
    memcpy(answer->proof, place.proof.data(), sizeof answer->proof);
  }
}

Result<std::unique_ptr<transport::Stream>> OfferedWay::Settle(
    std::unique_ptr<transport::Stream> connection, transport::Deadline until) const {
  switch (way_) {
    case wire::Way::kRings: {
      FARLANE_ASSIGN(std::unique_ptr<transport::Stream> stream,
                     transport::ShmStream::Offer(connection->TakeSocket()));
      return stream;
    }
    case wire::Way::kMeeting:
      return meeting_->Await(connection->TakeSocket(), until);
    default:
      return connection;
  }
}

}  // namespace farlane::channel
