// SPDX-License-Identifier: Apache-2.0
// NetDesk gives each worker that serves a client the pages by which the server's link is divided,
// reads in them what was moved, and writes how fast each may go on. What is decided is NetShares'.
#pragma once

#include <functional>
#include <map>

#include <sys/types.h>

#include "gpu-server/arbiter/net_shares.h"
#include "gpu-server/arbiter/turn_page.h"
#include "gpu-server/daemon/control_record.h"
#include "gpu-server/memory/ledger.h"

namespace farlane::server {

// What a session has moved over the network, and what its clients are like, see NetUseSlot.
struct NetFigures {
  uint64_t in_bytes = 0;
  uint64_t out_bytes = 0;
  uint64_t trips = 0;
  uint64_t rtt_ns = 0;
  uint64_t talked_bytes = 0;
  uint64_t busy_ns = 0;
};

// Thread: the daemon's main thread.
class NetDesk {
 public:
  // Tells a worker something, with a descriptor that stays the caller's.
  using Tell = std::function<void(pid_t worker, const ControlRecord& record, int descriptor)>;

  // `rate`: see NetShares.
  NetDesk(uint64_t rate, Tell tell) : shares_(rate), tell_(std::move(tell)) {}

  // A worker serves a client of a session from now on; the first one brings the session's numbers.
  // One that can be given no pages is not held back.
  void Enter(pid_t worker, Ledger::Session session, const SliceRequest& slice, uint64_t limit);
  void Leave(pid_t worker);
  void Resize(Ledger::Session session, const SliceRequest& slice, uint64_t limit);

  // Looks at all pages if it is time.
  void Look(uint64_t now_ns);

  uint64_t NextTime() const { return shares_.NextTime(); }

  // As of now.
  NetFigures FiguresOf(Ledger::Session session);

 private:
  // Of sessions without clients, figures are kept of so many.
  static constexpr size_t kTalksMax = 1024;

  // What clients have said of themselves: all of it only ever grows, but for the round trip.
  struct Talk {
    uint64_t trips = 0;
    uint64_t rtt_ns = 0;
    uint64_t talked_bytes = 0;
    uint64_t busy_ns = 0;
  };

  struct Pages {
    TurnMemory grants;
    TurnMemory uses;
    Ledger::Session session = 0;
    Talk seen{};
  };

  Status TryToEnter(pid_t worker,
                    Ledger::Session session,
                    const SliceRequest& slice,
                    uint64_t limit);
  void ReadPages();
  void ReadTalk(Pages* pages);
  void ForgetTalks();
  void WritePages();

  NetShares shares_;
  const Tell tell_;
  std::map<pid_t, Pages> pages_;
  std::map<Ledger::Session, Talk> talks_;
};

}  // namespace farlane::server
