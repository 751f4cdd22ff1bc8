// SPDX-License-Identifier: Apache-2.0
// The first exchange with a server, before there is a channel: who we are, and whether we are
// welcome.
#pragma once

#include <memory>
#include <string>

#include <unistd.h>

#include "client-shim/config.h"
#include "protocol/base/result.h"
#include "protocol/transport/address.h"
#include "protocol/transport/stream.h"
#include "protocol/wire/hello.h"

namespace farlane::shim {

// What came of it; the status in a Result says more than `verdict` can when nothing came of it at
// all.
struct Introduction {
  std::unique_ptr<transport::Stream> stream;
  wire::ServerHello answer{};
};

// Connects and says hello, and what for. Fails within three seconds of silence; a server that says
// that it is still starting is waited for much longer. kUnavailable: nobody there · kCorrupt:
// somebody, but not a server of ours · else the answer, welcome or not.
Result<Introduction> Introduce(const transport::Address& server,
                               const Config& config,
                               wire::Purpose purpose,
                               uint32_t offers);

// For so long a server that is not there, or goes before it has said what it has, is tried again.
uint64_t PatienceNs(const Config& config);
inline constexpr useconds_t kRestartPauseUs = 100'000;

// Takes exactly so many bytes of what follows the hellos.
Status ReceiveAll(transport::Stream& stream, Bytes bytes, uint64_t deadline);

// As Introduce, but nothing less than a welcome, and the way that the server has chosen in the
// place of the connection. Where shared memory was offered, chosen and cannot be had, and nobody
// wished for it, it does without. `answer` is the server's, if there was one.
Result<std::unique_ptr<transport::Stream>> FindWay(const transport::Address& server,
                                                   const Config& config,
                                                   wire::ServerHello* answer);

// "refused: bad token" and the like, from the answer.
std::string WhyNotWelcome(const wire::ServerHello& answer);

}  // namespace farlane::shim
