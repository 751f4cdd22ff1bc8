// SPDX-License-Identifier: Apache-2.0
// CreditDesk answers workers that ask for device memory: at once where the ledger has it, after a
// recall where others hold what they do not use, and with no where even that would not be enough.
// Nobody waits for one who does not answer.
//
// Nobody is refused what somebody else could give back. What is refused was not there at one moment
// at least: everybody who holds anything has said twice that all of it was in use, and that nothing
// became idle in between, and there is a moment that lies between the two answers of each.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "gpu-server/daemon/control_record.h"
#include "gpu-server/memory/ledger.h"

namespace farlane::server {

// Thread: the daemon's main thread.
class CreditDesk {
 public:
  // For a client to give back what it does not use: a program that runs answers within a few
  // milliseconds, or a tenth of a second where the machine is busy; one that is stopped never.
  static constexpr uint64_t kRecallNs = 2'000'000'000;
  // Everybody is asked no more often for one claim, and for no longer: where all take and give back
  // all the time, there may be no moment to be found, and nobody may hold the others up.
  static constexpr uint32_t kRoundsMax = 16;
  static constexpr uint64_t kRoundsNs = 2 * kRecallNs;
  // A worker asks once for each of its client's threads that wait.
  static constexpr size_t kAsksMax = 1024;

  // Tells a worker something; it must not wait.
  using Tell = std::function<void(Ledger::Holder, const ControlRecord&)>;

  CreditDesk(Ledger& ledger, Tell tell) : ledger_(ledger), tell_(std::move(tell)) {}

  // What a worker that holds credit has said. False when it says what cannot be: it is to be ended.
  bool Hear(Ledger::Holder holder, const ControlRecord& record, uint64_t now_ns);

  // A session may have less now: asks back what it has beyond that and does not use.
  void Shrink(Ledger::Session session);

  // A worker has left, and the ledger knows.
  void Forget(Ledger::Holder holder, uint64_t now_ns);

  // Decides what has waited long enough.
  void Look(uint64_t now_ns);

  // When to look again; UINT64_MAX: no need.
  uint64_t NextTime() const;

 private:
  struct Ask {
    Ledger::Holder holder = 0;
    uint64_t id = 0;
    size_t device = 0;
    uint64_t bytes = 0;
    bool own_too = false;                // its own idle memory may be asked back for it
    uint64_t until_ns = 0;               // 0: nobody has been asked for it yet
    uint64_t began_ns = 0;               // when somebody was, first
    std::set<Ledger::Holder> awaited{};  // who has not answered yet
    uint32_t rounds = 0;                 // so often everybody has been asked
    uint64_t round_began = 0;            // when they were last, as answers are counted
    std::set<Ledger::Holder> asked{};    // ... and who that was
  };

  struct Recall {
    Ledger::Holder from = 0;
    size_t device = 0;
    uint64_t bytes = 0;
  };

  // Somebody has had nothing idle since an answer, and until its last one.
  struct Exhausted {
    uint64_t frees = 0;
    uint64_t since = 0;  // as answers are counted
  };

  using Place = std::pair<Ledger::Holder, size_t>;  // and device

  bool HearAsk(Ledger::Holder holder, const ControlRecord& record, uint64_t now_ns);
  bool HearRecalled(Ledger::Holder holder, const ControlRecord& record);
  void NoteAnswer(const Recall& recall, const ControlRecord& record);
  void ServeQueue(size_t device, uint64_t now_ns);
  bool Decide(Ask& ask, uint64_t now_ns);
  bool IsProvedGone(const Ask& ask, uint64_t now_ns) const;
  bool BeginRecall(Ask& ask, uint64_t now_ns);
  void SendRecall(const Ledger::Claim& claim, size_t device);
  void Answer(const Ask& ask, uint64_t bytes);

  Ledger& ledger_;
  const Tell tell_;
  std::map<size_t, std::deque<Ask>> queues_;  // by device: only the first of each is worked on
  std::map<uint64_t, Recall> recalls_;        // not answered yet
  std::set<Ledger::Holder> owing_;            // who has not answered in time: not asked again
  std::map<Place, Exhausted> exhausted_;
  uint64_t answers_ = 0;  // so many have come
  uint64_t next_recall_ = 1;
};

}  // namespace farlane::server
