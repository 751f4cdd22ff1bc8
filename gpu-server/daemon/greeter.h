// SPDX-License-Identifier: Apache-2.0
// Greeter looks at the first bytes of new connections without taking them, refuses those that are
// not to be served, and hands over the others. Nobody can make it wait or hold more than a socket.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <poll.h>

#include "gpu-server/daemon/admission.h"
#include "gpu-server/daemon/session_book.h"
#include "protocol/base/fd.h"
#include "protocol/wire/hello.h"

namespace farlane::server {

// Thread: the daemon's main thread.
class Greeter {
 public:
  // A client says hello as soon as it is connected.
  static constexpr uint64_t kSilenceNs = 5'000'000'000;
  // For a worker to get ready: a real driver takes seconds, and the client is told meanwhile.
  static constexpr uint64_t kPatienceNs = 55'000'000'000;
  // A refusal must reach the peer, so it is given the time to close first.
  static constexpr uint64_t kFarewellNs = 1'000'000'000;
  // More connections than this are not talked to at the same time.
  static constexpr size_t kConnectionsMax = 1024;

  Greeter(Admission admission, const uint8_t (&boot)[16]);

  // `is_unix`: the peer must be this user or root.
  void Welcome(Fd socket, bool is_unix, uint64_t now_ns);

  // What to poll for, and until when.
  void AppendPolls(std::vector<pollfd>* polls) const;
  uint64_t NextTime(uint64_t now_ns) const;

  // Looks at every connection again.
  void Look(uint64_t now_ns);

  // What became of one that was offered.
  struct Placement {
    bool taken = false;
    std::optional<Decision> refusal;  // neither: it has to wait
  };

  // Offers each that waits for a worker, in their order; those taken are no longer here. The others
  // are told that they have to wait, or refused.
  using Take = std::function<Placement(const Fd& connection, const Newcomer& newcomer)>;
  void Serve(const Take& take, uint64_t now_ns);

  // How many wait for a worker.
  size_t waiting_count() const;

  // Refuses all who wait for a worker.
  void RefuseWaiting(const Decision& decision, uint64_t now_ns);

 private:
  enum class State : uint8_t {
    kSilent,   // nothing has come
    kPartial,  // some of a hello has
    kWaiting,  // the hello is good
    kLeaving,  // the answer was no
    kDone,
  };

  struct Connection {
    Fd socket;
    State state = State::kSilent;
    Newcomer newcomer;
    uint64_t until_ns = 0;
    uint64_t tell_ns = 0;  // while it waits: when to say so again
  };

  void LookAt(Connection& connection, uint64_t now_ns);
  void Peek(Connection& connection, uint64_t now_ns);
  void TellToWait(Connection& connection, uint64_t now_ns);
  void Refuse(Connection& connection, const Decision& decision, uint64_t now_ns);
  void Discard(Connection& connection);
  void Expire(Connection& connection, uint64_t now_ns);

  const Admission admission_;
  uint8_t boot_[16]{};
  std::vector<Connection> connections_;
};

}  // namespace farlane::server
