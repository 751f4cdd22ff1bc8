// SPDX-License-Identifier: Apache-2.0
// Office is where those who come to this manager find the pool, while it leads; else they are told
// who does. A term of office has a PoolHost of its own, made of what the store has then.
#pragma once

#include <latch>
#include <memory>
#include <optional>
#include <string>

#include "pool-manager/daemon/pool_host.h"
#include "pool-manager/store/compactor.h"
#include "pool-manager/store/leadership.h"
#include "pool-manager/store/state_store.h"
#include "pool-manager/trust/guards.h"
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
    Guards::Settings guards;
    ManagerAddress own;
    const char* store_kind = "";
    bool sole = false;  // nobody else can have the store; it forgets what is old by itself
  };

  // Campaigns from now on. Borrows the store and the keys.
  Office(StateStore& store, Settings settings, SigningKeys& keys);
  Office(const Office&) = delete;
  Office& operator=(const Office&) = delete;
  // Steps down.
  ~Office();

  // While this process leads, by its own clock; whoever has it may go on with it, and gets nothing
  // stored any more once another leads.
  std::shared_ptr<PoolHost> Host() const;

  // What stands before it; null where Host is, at the latest a second after.
  std::shared_ptr<Guards> Watch() const;

  // Whether it leads within this time.
  bool AwaitTerm(uint64_t timeout_ns) const;

  // Where the leader is, as far as the store has said in the last second, or before it hung;
  // nothing: nobody leads.
  std::optional<ManagerAddress> Leader();

  // Once a second, or so.
  void Look();

  // Campaigns no more, and leaves what it leads to another.
  void StepDown();

 private:
  // Both are shared with the requests and streams under way.
  struct Term {
    int64_t epoch = 0;
    std::shared_ptr<PoolHost> host;
    std::shared_ptr<Guards> guards;
  };

  struct KnownLeader {
    std::optional<ManagerAddress> address;
    uint64_t asked_ns = 0;
    bool is_asked = false;  // somebody waits for the store's answer
  };

  void Change(std::optional<int64_t> epoch);
  void LeaveIfOver();
  static void Leave(const Term& former);
  Result<Term> Begin(int64_t epoch);

  StateStore& store_;
  const Settings settings_;
  SigningKeys& keys_;
  Compactor compactor_;  // of the thread that calls Look
  Guarded<Term> term_;
  Guarded<KnownLeader> leader_;
  std::latch made_{1};                      // until then there is no leadership to write by
  std::unique_ptr<Leadership> leadership_;  // last: its thread uses the others
};

}  // namespace farlane::pool
