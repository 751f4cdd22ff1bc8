// SPDX-License-Identifier: Apache-2.0
// AdmissionDesk is where sessions are asked for: it gives a place at once, or one in the queue, and
// lets those who wait come in their order whenever there may be room. Who has waited long for much
// has a server held for him; who is guaranteed what he wants, or comes before others, may have it
// from them (EvictionPlanner).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "pool-manager/core/pool.h"
#include "pool-manager/tenancy/wait_queue.h"

namespace farlane::pool {

// Borrows the pool.
// Thread: caller's.
class AdmissionDesk {
 public:
  struct Settings {
    int64_t patience_ms = 15'000;      // who does not ask again for so long has gone
    int64_t claim_ms = 15'000;         // a place that was found is kept for so long
    int64_t hold_after_ms = 30'000;    // who has waited so long has a server held for him
    int64_t nomination_ms = 30'000;    // what was taken from others is kept for him who needed it
    int64_t preempt_after_ms = 5'000;  // nobody gives way to who has not waited
    int64_t ease_after_ms = 5'000;  // sessions that were made slower are given back what they had
    size_t holds_max = 4;
    size_t hosts_looked_at = 256;
    size_t plans_per_pass = 4;      // for so many room is looked for at others' cost
    int64_t try_again_ms = 10'000;  // ... and not for the same one so soon
    // Servers come back to a new manager within this: before, nobody is told that there is none for
    // him.
    int64_t servers_return_ms = 10'000;
  };

  struct Reply {
    std::optional<Pool::Grant> grant;  // else it waits, or is to measure the way to these first
    std::vector<v1::Candidate> candidates{};
    bool is_new = false;  // it is to be stored
    v1::Session waiting{};
    v1::QueuePlace place{};
  };

  // What is to be stored, and what servers are to be told.
  struct Consequences {
    std::vector<v1::Session> changed{};
    std::vector<Order> orders{};
  };

  AdmissionDesk(Pool& pool, Settings settings) : pool_(pool), settings_(settings) {}

  // Those who waited under a manager before this one, after Pool::Restore.
  void Restore(const Pool::Now& now);

  std::optional<Objection> Ask(const v1::CreateSessionRequest& request,
                               const std::string& user,
                               uint64_t epoch,
                               const Pool::Now& now,
                               Reply* reply,
                               Consequences* consequences);
  // It was not stored: nobody was told.
  void Abandon(const std::string& id);
  // It waits no more; false: it does not wait.
  bool Cancel(const std::string& id, const Pool::Now& now, v1::Session* session);

  // Once a second, or so.
  void Look(uint64_t epoch, const Pool::Now& now, Consequences* consequences);

  // In the order of their turns.
  v1::ListQueueResponse List(const Pool::Now& now);
  std::map<std::string, uint32_t> WaitingByProject() const;

  size_t waiting() const { return queue_.size(); }

 private:
  // In a longer queue places are told as they were a moment ago.
  static constexpr size_t kCountedAtOnce = 500;

  struct Waiting {
    v1::CreateSessionRequest request{};
    std::string user{};
    std::optional<Pool::Grant> grant{};  // a place was found, and he has not asked since
    int64_t granted_ms = 0;
    int64_t plan_tried_ms = 0;  // to make room for it
    int64_t hold_tried_ms = 0;
  };

  // Those who wait for the same of a server.
  struct Shape {
    size_t waiting = 0;
    v1::CreateSessionRequest sample{};
  };

  struct Hold {
    std::string server;
    int64_t start_ms = 0;  // from when its room is wanted; 0: nobody knows
    int64_t until_ms = 0;  // 0: while he waits
    int64_t made_ms = 0;
    Priority priority = Priority::kStandard;
  };

  std::optional<Objection> AskAgain(const v1::CreateSessionRequest& request,
                                    const std::string& id,
                                    uint64_t epoch,
                                    const Pool::Now& now,
                                    Reply* reply,
                                    bool* known);
  std::optional<Objection> Begin(const v1::CreateSessionRequest& request,
                                 const std::string& user,
                                 uint64_t epoch,
                                 const Pool::Now& now,
                                 Reply* reply);
  std::optional<Objection> MakeTicket(const v1::CreateSessionRequest& request,
                                      const Pool::Now& now,
                                      Ticket* ticket) const;
  std::optional<Objection> TryPlace(Ticket* ticket,
                                    const v1::CreateSessionRequest& request,
                                    const std::string& id,
                                    uint64_t epoch,
                                    const Pool::Now& now,
                                    Pool::Grant* grant);
  std::optional<Objection> WhyNever(const v1::CreateSessionRequest& request,
                                    const Pool::Now& now) const;
  bool Enqueue(Ticket ticket, Waiting waiting);
  void Dequeue(const std::string& id);
  void SetRefused(Ticket* ticket, uint32_t tenant);
  std::string ReasonOf(const Ticket& ticket) const;
  void PassWhereRoomIs(uint64_t epoch, const Pool::Now& now, Consequences* consequences);
  void Pass(uint64_t epoch, const Pool::Now& now, Consequences* consequences);
  void PassFreed(const std::vector<Pool::Freed>& freed,
                 uint64_t epoch,
                 const Pool::Now& now,
                 Consequences* consequences);
  size_t OpenFor(const std::vector<Pool::Freed>& freed,
                 const Pool::Now& now,
                 std::set<uint32_t>* tenants);
  void CloseWhatIsFull(const std::vector<Pool::Freed>& freed, const Pool::Now& now);
  void Consider(Ticket* ticket, uint64_t epoch, const Pool::Now& now, Consequences* consequences);
  bool MakeRoom(const Ticket& ticket,
                const v1::CreateSessionRequest& request,
                const Pool::Now& now,
                Consequences* consequences);
  void HoldFor(const Ticket& ticket, const v1::CreateSessionRequest& request, const Pool::Now& now);
  void Admit(Ticket* ticket, Pool::Grant grant, const Pool::Now& now);
  void Drop(const std::string& id,
            v1::Phase phase,
            const std::string& why,
            const Pool::Now& now,
            Consequences* to);
  void Ease(const Pool::Now& now, Consequences* consequences);
  std::vector<std::string> KeptOut(const Ticket& ticket, const Pool::Now& now) const;
  // The tenant of whose something somebody older waits, with why; nothing: it is not blocked.
  std::optional<uint32_t> BlockedAt(const Ticket& ticket, std::string* why) const;
  v1::Session SessionOf(const Ticket& ticket, const Waiting& waiting) const;
  void CountPlaces(const Pool::Now& now);
  v1::QueuePlace PlaceOf(const Ticket& ticket, const Pool::Now& now);

  Pool& pool_;
  const Settings settings_;
  WaitQueue queue_;
  std::unordered_map<std::string, Waiting> waiting_;
  std::unordered_map<std::string, std::string> by_key_;  // user and idempotency key → session
  std::map<std::string, Hold> holds_;                    // by ticket
  // Tenants at whose limit somebody old waits: who comes behind him gets nothing of it.
  std::map<uint32_t, std::string> limits_held_;
  uint64_t seen_changes_ = 0;
  std::unordered_map<uint64_t, Shape> shapes_;
  std::unordered_set<uint64_t> open_;  // shapes for which there may be room that there was not
  // Shapes, with where they must not go, for which there is no room now: of which shape each is.
  std::unordered_map<uint64_t, uint64_t> stuck_;
  std::unordered_map<uint32_t, size_t> refused_;  // so many wait for something of this tenant's
  size_t plans_left_ = 0;
  size_t holds_left_ = 0;
  std::deque<int64_t> admitted_ms_;  // lately
  std::unordered_map<std::string, uint32_t> positions_;
  int64_t counted_ms_ = 0;
  int64_t quiet_since_ms_ = 0;
  int64_t began_ms_ = 0;
};

}  // namespace farlane::pool
