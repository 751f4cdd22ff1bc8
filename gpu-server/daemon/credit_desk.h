// SPDX-License-Identifier: Apache-2.0
// CreditDesk answers workers that ask for device memory: at once where the ledger has it, after a
// recall where others hold what they do not use, and with no where even that would not be enough.
// Nobody is refused what somebody else could give back, and nobody waits for one who does not
// answer.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>

#include "gpu-server/daemon/control_record.h"
#include "gpu-server/memory/ledger.h"

namespace farlane::server {

// Thread: the daemon's main thread.
class CreditDesk {
 public:
  // For a client to give back what it does not use: a program that runs answers within a few
  // milliseconds, one that is stopped never.
  static constexpr uint64_t kRecallNs = 500'000'000;
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
    std::set<Ledger::Holder> awaited{};  // who has not answered yet
    std::set<Ledger::Holder> asked{};    // who has been asked for it: once is enough,
    bool asked_again = false;            // or twice, if they have more than was known
  };

  struct Recall {
    Ledger::Holder from = 0;
    size_t device = 0;
  };

  bool HearAsk(Ledger::Holder holder, const ControlRecord& record, uint64_t now_ns);
  bool HearRecalled(Ledger::Holder holder, uint64_t id);
  void ServeQueue(size_t device, uint64_t now_ns);
  bool Decide(Ask& ask, uint64_t now_ns);
  bool AreIdle(const std::vector<Ledger::Claim>& claims, size_t device) const;
  std::vector<Ledger::Claim> ClaimsFor(Ask& ask) const;
  bool BeginRecall(Ask& ask, uint64_t now_ns);
  void SendRecall(const Ledger::Claim& claim, size_t device);
  void Answer(const Ask& ask, uint64_t bytes);

  Ledger& ledger_;
  const Tell tell_;
  std::map<size_t, std::deque<Ask>> queues_;  // by device: only the first of each is worked on
  std::map<uint64_t, Recall> recalls_;        // not answered yet
  std::set<Ledger::Holder> owing_;            // who has not answered in time: not asked again
  uint64_t next_recall_ = 1;
};

}  // namespace farlane::server
