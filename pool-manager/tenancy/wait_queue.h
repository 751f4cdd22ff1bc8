// SPDX-License-Identifier: Apache-2.0
// WaitQueue is those who wait for a place in the pool. Who waits keeps his place for as long as he
// asks again; QueueOrder says who comes before whom: by class, then who is guaranteed what he wants
// before who would borrow it, then who has had least of the pool, then who has to begin first, or
// came first.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "pool-manager/tenancy/amount.h"
#include "pool-manager/tenancy/tenant_tree.h"

namespace farlane::pool {

struct Ticket {
  std::string id{};
  uint32_t project = 0;
  Priority priority = Priority::kStandard;
  Amount amount{};
  uint64_t shape = 0;    // equal numbers: servers that are no good for one are none for the other
  int64_t since_ms = 0;  // he came
  int64_t asked_ms = 0;  // for the last time
  int64_t until_ms = 0;  // he waits no longer than this
  int64_t due_ms = kNever;  // he has to begin by then, or need not any more
  int64_t runs_ms = 0;      // at most so long; 0: nobody knows
  uint64_t number = 0;      // in the order of coming
  std::string reason{};     // why he waits, when it was last looked at
  // ... or what his tenant may not have; told in words only to who asks.
  std::optional<QuotaRefusal> refusal{};
  uint32_t refused_at = kNobody;  // the tenant of whose something has to become free

  static constexpr uint32_t kNobody = UINT32_MAX;
  static constexpr int64_t kNever = INT64_MAX;
  // Who names no time counts, among those of his project, as if he had to begin within this.
  static constexpr int64_t kUsualWaitMs = 600'000;

  // By what he comes before others of his project and class.
  int64_t turn_ms() const { return std::min(due_ms, since_ms + kUsualWaitMs); }
};

// Thread: caller's.
class WaitQueue {
 public:
  static constexpr size_t kTicketsMax = 100'000;

  // False: too many wait.
  bool Join(Ticket ticket);
  void Leave(const std::string& id);
  Ticket* Find(const std::string& id);
  const Ticket* Find(const std::string& id) const;

  // Those who have not asked for `patience_ms`, and those whose time is over.
  std::vector<std::string> Expired(int64_t now_ms, int64_t patience_ms) const;

  size_t size() const { return tickets_.size(); }

 private:
  friend class QueueOrder;

  struct Earlier {
    bool operator()(const Ticket* a, const Ticket* b) const {
      return a->turn_ms() != b->turn_ms() ? a->turn_ms() < b->turn_ms() : a->number < b->number;
    }
  };

  using Line = std::set<Ticket*, Earlier>;
  using LineKey = std::pair<int, uint32_t>;  // class, the highest first; project

  static LineKey KeyOf(const Ticket& ticket);

  std::unordered_map<std::string, Ticket> tickets_;
  std::map<LineKey, Line> lines_;
  uint64_t next_number_ = 1;
};

// The tickets of a queue, the first first. Nobody joins or leaves meanwhile, but the tenants may
// get more: then those who are behind move up.
// Thread: caller's.
class QueueOrder {
 public:
  // Borrows both.
  QueueOrder(WaitQueue& queue, const TenantTree& tenants);

  // Null: that was all.
  Ticket* Next();
  // As if he had what he waits for already, though the tree does not know it: so that the places of
  // all can be told.
  void Suppose(const Ticket& ticket);

 private:
  struct Key {
    int rank = 0;  // of the class, negative: the highest first
    bool borrows = false;
    double org_share = 0;
    double project_share = 0;
    int64_t turn_ms = 0;
    uint64_t number = 0;

    auto operator<=>(const Key&) const = default;
  };

  struct Front {
    Key key;
    WaitQueue::Line* line = nullptr;
    WaitQueue::Line::iterator at;

    bool operator<(const Front& other) const { return key > other.key; }  // the least on top
  };

  Key KeyOf(const Ticket& ticket) const;
  void Push(WaitQueue::Line* line, WaitQueue::Line::iterator at);

  const TenantTree& tenants_;
  std::priority_queue<Front> fronts_;
  std::unordered_map<uint32_t, Amount> supposed_;
};

}  // namespace farlane::pool
