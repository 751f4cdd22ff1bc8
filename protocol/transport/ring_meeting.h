// SPDX-License-Identifier: Apache-2.0
// Memory can be passed over a Unix socket only. Two processes that have found each other over TCP
// and may be on one machine meet at a Unix socket for it: the server's side waits there, the
// client's side comes and proves that it is the one. If it cannot come, it says so over TCP, and
// TCP is what they use.
//
// The name of the place can be seen by everybody on the machine, the proof by the two only.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "protocol/base/fd.h"
#include "protocol/base/result.h"
#include "protocol/transport/stream.h"

namespace farlane::transport {

// Where, and the proof that is asked for there.
struct MeetingPlace {
  std::array<uint8_t, 8> name{};  // its hexadecimal digits behind "farlane-meet-", abstract
  std::array<uint8_t, 16> proof{};
};

// The side that waits. Thread: caller's.
class RingMeeting {
 public:
  // Opens a place that nobody has guessed.
  static Result<RingMeeting> Open();

  const MeetingPlace& place() const { return place_; }

  // Until the client has come, has said over `connection` that it does not, or is gone. Whoever
  // comes without the proof is sent away and holds nobody up. The stream is over shared memory or
  // over `connection`.
  Result<std::unique_ptr<Stream>> Await(Fd connection, Deadline until) const;

 private:
  RingMeeting(MeetingPlace place, Fd listener);

  std::unique_ptr<Stream> Serve(Fd visitor) const;
  std::unique_ptr<Stream> ServeAll(std::vector<Fd>* visitors) const;

  MeetingPlace place_;
  Fd listener_;
};

// The side that comes. The stream is over shared memory or over `connection`.
Result<std::unique_ptr<Stream>> ComeToMeeting(const MeetingPlace& place,
                                              Fd connection,
                                              Deadline until);

// Whether both ends of a connected socket have one address, as on one machine and perhaps nowhere
// else. False for a socket that is not TCP.
bool MayBeOneMachine(int socket);

}  // namespace farlane::transport
