// SPDX-License-Identifier: Apache-2.0
// Which way a client's commands travel after the hellos: on the connection that it has made, or
// through memory that it shares with its worker, if both are on one machine.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "protocol/transport/address.h"
#include "protocol/transport/ring_meeting.h"
#include "protocol/transport/stream.h"
#include "protocol/wire/hello.h"

namespace farlane::channel {

// What the user asks for by FARLANE_TRANSPORT.
enum class WishedTransport : uint8_t { kAuto, kTcp, kUnix, kShm };

// "auto", "tcp", "unix" or "shm"; nothing for another word.
std::optional<WishedTransport> ParseWish(const std::string& text);

// Why a server at this address cannot be reached in the way that is wished for; ok if it may be.
Status CheckWish(WishedTransport wish, const transport::Address& server);

// What to offer in the hello. Who asks for TLS gets nothing else.
uint32_t OffersOf(WishedTransport wish, const transport::Address& server);

// The client's end of the way that the server has chosen, after its welcome to a hello with these
// offers. Fails where the server has chosen shared memory and it cannot be had; without offers
// there is nothing that can be missing.
Result<std::unique_ptr<transport::Stream>> FollowWay(uint32_t offers,
                                                     const wire::ServerHello& answer,
                                                     std::unique_ptr<transport::Stream> connection,
                                                     transport::Deadline until);

// Why the way that was found is not the one that is wished for; ok if it is, or none is.
Status CheckFound(WishedTransport wish, const transport::Stream& stream);

// The worker's choice, before its welcome is said. Thread: caller's.
class OfferedWay {
 public:
  // From what the client offers and how it is connected.
  OfferedWay(uint32_t offers, const transport::Stream& connection);

  // Tells the client, in the welcome.
  void Announce(wire::ServerHello* answer) const;

  // The worker's end, after the welcome.
  Result<std::unique_ptr<transport::Stream>> Settle(std::unique_ptr<transport::Stream> connection,
                                                    transport::Deadline until) const;

 private:
  wire::Way way_ = wire::Way::kHere;
  std::optional<transport::RingMeeting> meeting_;
};

}  // namespace farlane::channel
