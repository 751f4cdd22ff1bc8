// SPDX-License-Identifier: Apache-2.0
// Turns is the arbiter of all GPUs: it reads what the workers have used, asks the policy whose turn
// it is, and says so in their pages. A session's turn goes to one of its workers at a time, the one
// that has had the least. Who asks for little (Demands) needs no turn: its workers may begin at any
// time, beside whoever has one.
//
// A worker that does not give its turn back is waited for no longer than kDrainNs: what it has
// given the device goes on beside the next one's, and the device shares itself. Not so where a
// session is to be kept apart (Isolation::kScrubbed): there everybody takes turns, and nobody's
// begins while the device has anything of another's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "gpu-server/arbiter/accounts.h"
#include "gpu-server/arbiter/demands.h"
#include "gpu-server/arbiter/policy_seat.h"
#include "gpu-server/arbiter/turn_page.h"
#include "gpu-server/arbiter/worked_time.h"

namespace farlane::server {

// What a session has had of one GPU. Of the time in which GPUs are shared: before and after nobody
// counts.
struct TurnFigures {
  uint64_t used_ns = 0;
  uint64_t clock_ns = 0;  // for so long the GPU has been shared while the session was there
  uint64_t held_ns = 0;   // for so long its commands waited
  uint64_t holds = 0;
  uint64_t turns = 0;
  // The most commands of lower classes that the device still had when work of the session came.
  uint64_t ahead_max = 0;
};

// Thread: one at a time (the daemon's main thread).
class Turns {
 public:
  static constexpr uint64_t kDrainNs = 20'000'000;
  // A turn of which a worker makes nothing costs it nothing so often.
  static constexpr uint64_t kForgiveNs = 1'000'000'000;
  // How much the device may be given ahead: where somebody waits, where others work without a
  // turn, and where somebody might come. Of those who need no turn, where others do, the first.
  static constexpr uint64_t kWindowNs = 150'000;
  static constexpr uint64_t kWindowBesideNs = 500'000;
  static constexpr uint64_t kWindowAloneNs = 1'000'000;

  using Session = ShareAccounts::Session;
  using Worker = uint64_t;
  // Makes a worker look at its page.
  using Ring = std::function<void(Worker)>;

  // `divides`: false lets everybody run at once, and only measures.
  Turns(size_t devices_count, bool divides, Ring ring, PolicySeat policy = PolicySeat());

  // A worker begins to serve a client of a session; its pages are this process's. The first worker
  // of a session brings its slice, and the devices that it has; none named: all.
  void Enter(Worker worker,
             Session session,
             const SliceRequest& slice,
             TurnMemory grants,
             TurnMemory uses,
             uint64_t now_ns,
             const std::vector<size_t>& devices = {});
  void Leave(Worker worker, uint64_t now_ns);
  void Resize(Session session, const SliceRequest& slice, uint64_t now_ns);

  // Looks at all pages and decides what there is to decide.
  void Look(uint64_t now_ns);

  // When to look again though nobody has rung; UINT64_MAX: no need.
  uint64_t NextTime() const { return next_ns_; }

  TurnFigures FiguresOf(Session session, size_t device) const;

 private:
  struct Seen {
    uint64_t used_ns = 0;
    uint64_t held_ns = 0;
    uint64_t holds = 0;
    uint64_t prepaid_ns = 0;   // charged for a turn in which it did nothing
    uint64_t presumed_ns = 0;  // charged for what is under way, and nobody knows how long
    uint64_t forgiven_ns = 0;  // when a turn of which it made nothing was free
    uint64_t asked_ns = 0;
    uint64_t deep_ns = 0;
    uint64_t commands = 0;
    bool wants = false;
    bool passes = false;      // it may work without a turn
    uint64_t virtual_ns = 0;  // among the workers of its session
  };

  struct Member {
    Session session = 0;
    TurnMemory grants;
    TurnMemory uses;
    uint64_t since_ns = 0;
    std::vector<Seen> seen;  // by device
    std::vector<bool> has;   // ... whether it may use it at all
  };

  // What a worker says that it has done since it was asked last.
  struct Told {
    uint64_t used_ns = 0;
    Demands::Work work;
  };

  struct Gpu {
    ShareAccounts accounts;
    Demands demands;
    WorkedTime worked;
    std::map<Session, TurnFigures> figures;
    bool shared = false;
    uint32_t strict = 0;  // another number each time that it begins; 0: it is not
    uint32_t strict_last = 0;
    uint64_t blocked_ns = 0;  // since when a turn cannot begin, because of another's work
    std::optional<Worker> holder;
    bool leaves = false;  // it has been told to stop, and is waited for
    uint64_t leaves_until_ns = 0;
    uint64_t turn = 0;                   // the last number that was given to anybody
    uint64_t holder_turn = 0;            // the holder's
    uint64_t turn_ends_ns = UINT64_MAX;  // on the clock, whatever it says
    uint64_t turn_began_ns = 0;
    uint64_t used_before_ns = 0;  // by the holder, before the turn
    uint64_t looked_ns = 0;
  };

  void SetSharing();
  void SetStrict(size_t device);
  bool IsShared(const Gpu& gpu) const;
  bool HasScrubbed(const Gpu& gpu) const;
  std::optional<Worker> WhoIsBeside(Worker next, size_t device) const;
  void AwaitClear(Worker beside, size_t device, uint64_t now_ns);
  void LookAt(size_t device, uint64_t now_ns);
  void SetWeights(Gpu& gpu);
  std::map<Session, bool> ReadPages(size_t device, uint64_t now_ns);
  Told Read(Member& member, size_t device, uint64_t now_ns);
  void Count(Member& member, size_t device, const Told& told);
  void NoteWants(Gpu& gpu, size_t device, const std::map<Session, bool>& wants, uint64_t now_ns);

  bool Divides(const Gpu& gpu) const { return gpu.shared && divides_; }

  void LetPass(size_t device);
  void LetPass(Worker worker, Member& member, size_t device);
  uint64_t WindowOf(const TurnDecision& decision, size_t device) const;
  bool IsLeaving(Gpu& gpu, size_t device, uint64_t now_ns);
  void NoteAhead(Gpu& gpu, size_t device, Session session);
  void MoveTo(std::optional<Worker> next,
              const TurnDecision& decision,
              size_t device,
              uint64_t now_ns);
  void Allow(const TurnDecision& decision, size_t device, uint64_t now_ns);
  void ChargeHolding(Gpu& gpu, size_t device, uint64_t now_ns);
  bool HolderIsDone(const Gpu& gpu, size_t device, uint64_t now_ns) const;
  void Stop(size_t device, uint64_t now_ns);
  void Give(Worker worker, const TurnDecision& decision, size_t device, uint64_t now_ns);
  void Keep(const TurnDecision& decision, size_t device, uint64_t now_ns);
  std::optional<Worker> ChooseWorker(Session session, size_t device) const;
  void OpenAll(size_t device, TurnMode mode);

  const bool divides_;
  const Ring ring_;
  PolicySeat policy_;
  std::map<Worker, Member> members_;
  std::map<Session, SliceRequest> slices_;
  std::vector<Gpu> gpus_;
  uint64_t next_ns_ = UINT64_MAX;
};

}  // namespace farlane::server
