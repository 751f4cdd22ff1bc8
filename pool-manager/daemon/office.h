// SPDX-License-Identifier: Apache-2.0
// Office is where those who come to this manager find the pool, while it leads; else they are told
// who does. A term of office has a PoolHost of its own, made of what the store has then.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "pool-manager/daemon/pool_host.h"
#include "pool-manager/store/compactor.h"
#include "pool-manager/store/leadership.h"
#include "pool-manager/store/state_store.h"
#include "protocol/base/guarded.h"

namespace farlane::pool {

// Where a manager is reached: its value under the leader's key.
struct ManagerAddress {
  std::string people;   // HOST:PORT
  std::string servers;  // HOST:PORT

  std::string ToText() const { return people + " " + servers; }

  static ManagerAddress FromText(const std::string& text);
};

// Thread: any, guarded.
class Office {
 public:
  struct Settings {
    PoolHost::Settings pool;
    ManagerAddress own;
    const char* store_kind = "";
    bool sole = false;  // nobody else can have the store; it forgets what is old by itself
  };

  // Campaigns from now on. Borrows the store.
  Office(StateStore& store, Settings settings, token::SigningKey key);
  Office(const Office&) = delete;
  Office& operator=(const Office&) = delete;
  // Steps down.
  ~Office();

  // While this process leads; whoever has it may go on with it, and gets nothing stored any more
  // once another leads.
  std::shared_ptr<PoolHost> Host() const;

  // Whether it leads within this time.
  bool AwaitTerm(uint64_t timeout_ns) const;

  // Where the leader is, as far as the store says; nothing: nobody leads.
  std::optional<ManagerAddress> Leader();

  // Once a second, or so.
  void Look();

  // Campaigns no more, and leaves what it leads to another.
  void StepDown();

 private:
  void Change(std::optional<int64_t> epoch);
  Result<std::shared_ptr<PoolHost>> Begin(int64_t epoch);

  StateStore& store_;
  const Settings settings_;
  const token::SigningKey key_;
  Compactor compactor_;                      // of the thread that calls Look
  Guarded<std::shared_ptr<PoolHost>> host_;  // shared with the requests and streams under way
  std::unique_ptr<Leadership> leadership_;   // last: its thread uses the others
};

}  // namespace farlane::pool
