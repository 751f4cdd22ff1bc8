// SPDX-License-Identifier: Apache-2.0
// Greeter looks at the first bytes of new connections without taking them, refuses those that are
// not to be served, and hands over the others. Those that begin a handshake of TLS it leads to the
// doorman, who tells what they have said; those whom the pool has to judge wait for the agent.
// Nobody can make it wait or hold more than a socket.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <poll.h>

#include "gpu-server/daemon/admission.h"
#include "gpu-server/daemon/doorman_link.h"
#include "gpu-server/daemon/pool_link.h"
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

  // What stands between a listener and the world.
  enum class Door : uint8_t {
    kOpen,
    kOwnUser,  // the peer must be this user or root
    kTls,
  };

  // The number of a connection that is under TLS; 0: it is not.
  using Guest = uint64_t;

  // Whether one is of a session that is there already, and has its key.
  using IsMember = std::function<bool(const Newcomer& newcomer)>;

  Greeter(Admission admission,
          const uint8_t (&boot)[16],
          DoormanLink& doorman,
          PoolLink& pool,
          IsMember is_member);

  void Welcome(Fd socket, Door door, uint64_t now_ns);

  // What the doorman says of one that was led to it, and that it says nothing any more.
  void Met(Guest guest, const std::string& hello_and_name, uint64_t now_ns);
  void TurnedAway(Guest guest, const std::string& why);
  void LoseGuests();

  // What the agent says of one that was to be judged, and that it says nothing any more.
  void Judged(uint64_t ticket, bool right, const std::string& tail, uint64_t now_ns);
  void LoseJudge(uint64_t now_ns);

  // What to poll for, and until when.
  void AppendPolls(std::vector<pollfd>* polls) const;
  uint64_t NextTime(uint64_t now_ns) const;

  // Looks at every connection again.
  void Look(uint64_t now_ns);

  // What became of one that was offered; none of it: it has to wait.
  struct Placement {
    bool taken = false;
    std::optional<Decision> refusal;
    std::string answer{};  // all that it came for: it is told this behind its welcome, and may go
  };

  // Offers each that waits for a worker, in their order; those taken are no longer here. The others
  // are told that they have to wait, or refused.
  using Take =
      std::function<Placement(const Fd& connection, const Newcomer& newcomer, Guest guest)>;
  void Serve(const Take& take, uint64_t now_ns);

  // How many wait for a worker.
  size_t waiting_count() const;

  // Refuses all who wait for a worker, and for nothing else.
  void RefuseWaiting(const Decision& decision, uint64_t now_ns);

 private:
  enum class State : uint8_t {
    kSilent,   // nothing has come
    kPartial,  // some of a hello has
    kPinging,  // it measures the way: what it sends is taken, and not looked at
    kGuest,    // it is with the doorman
    kJudged,   // the agent looks at what it has shown
    kWaiting,  // the hello is good
    kTold,     // it is told what it came for
    kLeaving,  // everything is said
    kDone,
  };

  // What one that measures the way still sends.
  struct Ping {
    uint64_t left = 0;
    uint64_t half = 0;  // from then on the clock runs
    uint64_t half_bytes = 0;
    uint64_t half_since_ns = 0;
  };

  struct Connection {
    Fd socket;
    Door door = Door::kOpen;
    State state = State::kSilent;
    Guest guest = 0;
    uint64_t ticket = 0;  // kJudged: by which the agent names it
    Newcomer newcomer;
    uint64_t until_ns = 0;
    uint64_t tell_ns = 0;      // while it waits: when to say so again
    uint64_t queue_ns = 0;     // until when it waits for what is promised to others
    std::string queued_for{};  // why it waits for that; empty: it does not
    std::string unsent{};      // of what it is told
    Ping ping{};
  };

  void LookAt(Connection& connection, uint64_t now_ns);
  void Peek(Connection& connection, uint64_t now_ns);
  void PeekAtHello(Connection& connection,
                   const wire::ClientHello& hello,
                   size_t got,
                   uint64_t now_ns);
  void BeginPing(Connection& connection, const wire::ClientHello& hello, uint64_t now_ns);
  void TakePing(Connection& connection, uint64_t now_ns);
  void LeadToDoorman(Connection& connection, uint64_t now_ns);
  void Decide(Connection& connection, const wire::ClientHello& hello, uint64_t now_ns);
  void LeadToJudge(Connection& connection, const wire::ClientHello& hello, uint64_t now_ns);
  void LetWait(Connection& connection, uint64_t now_ns);
  Connection* Find(Guest guest);
  void TellToWait(Connection& connection, const Decision& decision, uint64_t now_ns);
  void Queue(Connection& connection, const Decision& decision, uint64_t now_ns);
  void Settle(Connection& connection, const Placement& placement, uint64_t now_ns);
  void Refuse(Connection& connection, const Decision& decision, uint64_t now_ns);
  void Tell(Connection& connection, const std::string& answer, uint64_t now_ns);
  void SendRest(Connection& connection, uint64_t now_ns);
  void Leave(Connection& connection, uint64_t now_ns);
  void Discard(Connection& connection);
  void Expire(Connection& connection, uint64_t now_ns);

  const Admission admission_;
  uint8_t boot_[16]{};
  DoormanLink& doorman_;
  PoolLink& pool_;
  const IsMember is_member_;
  Guest next_guest_ = 1;
  uint64_t next_ticket_ = 1;
  std::vector<Connection> connections_;
};

}  // namespace farlane::server
