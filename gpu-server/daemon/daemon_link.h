// SPDX-License-Identifier: Apache-2.0
// DaemonLink is a worker's conversation with the daemon while it serves a client: it asks the
// daemon's ledger for memory and hears when others need some back. With a door, it outlives the
// daemon: a successor that comes in is told whom the worker serves and what it holds, and the
// conversation goes on. Until then nobody gets more memory, and nobody loses any; what workers
// share only the daemon knows that it was offered to.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gpu-server/daemon/control_record.h"
#include "gpu-server/daemon/seat.h"
#include "gpu-server/memory/credit_source.h"
#include "gpu-server/memory/share_source.h"
#include "protocol/base/fd.h"
#include "protocol/base/guarded.h"

namespace farlane::server {

// Thread: any. One thread of its own listens, once started; callbacks run there.
class DaemonLink final : public CreditSource, public ShareSource {
 public:
  // Others need up to `bytes` of a device; the answer is FinishRecall.
  using Recall = std::function<void(size_t device, uint64_t bytes, uint64_t recall)>;

  // What others of the session want of what this worker has offered.
  struct ShareEars {
    std::function<void(const ShareToken&, Fd)> hand;  // give it to who is at the socket
    std::function<void(const ShareToken&)> over;      // withdrawn, and used by nobody now
  };

  // Those who ask for memory while there is no daemon wait for the next so long.
  static constexpr uint64_t kGraceNs = 60'000'000'000;

  // What turns are given by has come, from a daemon or its successor; or there is no daemon now.
  struct TurnParts {
    Fd grants;
    Fd uses;
    Fd bell;
  };

  // The same for the network.
  struct NetParts {
    Fd grants;
    Fd uses;
  };

  using NetBegin = std::function<void(NetParts)>;
  using TurnsBegin = std::function<void(TurnParts)>;
  using TurnsEnd = std::function<void()>;

  // What a worker needs to be adopted.
  struct Inheritance {
    Fd door;           // where the next daemon comes in
    Fd share;          // the devices' memory that workers share, for the next daemon's
    std::string seat;  // what this daemon knows of the client
  };

  // The control socket stays the caller's, and stays open for as long as the process lives.
  explicit DaemonLink(int control, uint64_t grace_ns = kGraceNs)
      : grace_ns_(grace_ns), state_(std::in_place, control) {}

  // The first credit, which came along with the client.
  std::vector<Reservation> TakeFirst(const Grant& grant);

  // Before Listen: who is to know of turns.
  void FollowTurns(TurnsBegin begin, TurnsEnd end) {
    turns_begin_ = std::move(begin);
    turns_end_ = std::move(end);
  }

  // Before Listen: who is to know how fast data may go.
  void FollowNet(NetBegin begin, TurnsEnd end) {
    net_begin_ = std::move(begin);
    net_end_ = std::move(end);
  }

  // Makes the daemon look at this worker's page of turns; never waits.
  void RingForTurn();

  // From now on answers are heard. The link must outlive the process's use of it: the thread never
  // ends.
  void Listen(Recall recall, std::optional<Inheritance> inheritance = std::nullopt);

  // Before Listen.
  void HearShares(ShareEars ears) { share_ears_ = std::move(ears); }

  // Of the last second work of the client was under way for so many percent, and copies were.
  void NoteBusy(size_t device, uint32_t busy_percent, uint32_t copy_percent);

  // CreditSource
  void Ask(size_t device, uint64_t bytes, Purpose purpose, Granted granted) override;
  void AskFigures(size_t device, Told told) override;
  void NoteIdle(size_t device, uint64_t bytes) override;
  void FinishRecall(uint64_t recall, uint64_t bytes, uint32_t frees) override;

  // ShareSource
  void Offer(size_t device, uint64_t bytes, Offered offered) override;
  void Open(const ShareToken& token, Opened opened) override;
  void Close(const ShareToken& token) override;
  void Withdraw(const ShareToken& token) override;

 private:
  struct Question {
    size_t device = 0;
    uint64_t bytes = 0;
    Granted granted;
  };

  struct FiguresQuestion {
    size_t device = 0;
    Told told;
  };

  struct State {
    explicit State(int first) : control(first) {}

    int control;                    // -1 between two daemons
    Fd successor;                   // owns it, if it is not the first
    uint64_t era = 0;               // counts daemons
    bool gone = false;              // nobody answers any more, or has for long
    std::vector<Holding> holdings;  // by device
    std::map<uint64_t, Question> memory;
    std::map<uint64_t, FiguresQuestion> figures;
    std::map<uint64_t, Offered> offers;
    std::map<uint64_t, Opened> opens;
    uint64_t next = 1;
  };

  void Return(size_t device, uint64_t bytes) override;
  static void Send(State& state, const ControlRecord& record);
  void HearAll();
  void Hear(const ControlRecord& record);
  void HearTurnPart(uint64_t part, Fd descriptor);
  void HearNetPart(uint64_t part, Fd descriptor);
  void HearOfShares(const ControlRecord& record, Fd descriptor);
  void RefuseShares();
  void Gone();
  void AwaitSuccessor();
  bool TakeSuccessor(Fd control);

  const uint64_t grace_ns_;
  Recall recall_;
  TurnsBegin turns_begin_;
  TurnsEnd turns_end_;
  TurnParts turn_parts_;
  NetBegin net_begin_;
  TurnsEnd net_end_;
  Fd net_grants_;  // until the other page has come, too
  ShareEars share_ears_;
  std::optional<Inheritance> inheritance_;
  Guarded<State> state_;
};

}  // namespace farlane::server
