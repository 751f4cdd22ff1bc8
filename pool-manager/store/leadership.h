// SPDX-License-Identifier: Apache-2.0
// Leadership lets one of several managers act: the one whose key is in the store, bound to a lease
// that it keeps alive. Its epoch, the revision of that key, rises with every leader. A leader that
// cannot renew stops by its own clock before the lease ends; a change that it had sent before, and
// that arrives afterwards, is refused by the store, because every change compares the key.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "pool-manager/store/state_store.h"
#include "protocol/base/guarded.h"

namespace farlane::pool {

// A mutex of its own, not Guarded: the thread waits for the condition.
// Thread: any.
class Leadership {
 public:
  // A leader stops acting so long before its lease can end: clocks differ, and what it does last
  // takes time.
  static constexpr int64_t kMarginSeconds = 1;
  static constexpr int64_t kLeaseSecondsMin = 2;

  struct Options {
    std::string key = "/farlane/leader";
    std::string id;  // the key's value: how others find the leader
    int64_t ttl_s = 5;
    // This process alone has the store, so whoever is written down as leader is gone.
    bool sole = false;
    // Called from Leadership's thread with the epoch when it begins to lead, and with nothing some
    // time after it has ended; Epoch() knows at once. It must not wait for StepDown.
    std::function<void(std::optional<int64_t> epoch)> on_change;
  };

  // Campaigns from now on, for as long as it lives. Borrows the store.
  Leadership(StateStore& store, Options options);
  Leadership(const Leadership&) = delete;
  Leadership& operator=(const Leadership&) = delete;
  // Steps down.
  ~Leadership();

  // This process's, while it leads.
  std::optional<int64_t> Epoch() const { return EpochOf(*state_); }

  // Who leads, by what the store says: its id, and as mod_revision its epoch.
  Result<std::optional<KeyValue>> Leader() { return store_.Get(options_.key); }

  // A change by the leader. kFenced: this process does not lead, or no longer, and nothing was
  // done.
  void Submit(Transaction transaction, StateStore::Done done);
  // Submits and waits.
  Result<TxnResult> Txn(Transaction transaction);

  // Ends the lease, so that another can lead at once, and campaigns no more.
  void StepDown();

  // The same, but campaigns again once another leads, or nobody has come for a while. Does not
  // wait.
  void Yield();

 private:
  struct Term {
    int64_t epoch = 0;  // 0: none
    int64_t lease = 0;
    uint64_t ends_ns = 0;  // by NowNs(); acts only before this
  };

  using State = Guarded<Term>;

  static std::optional<int64_t> EpochOf(const State& state);

  void Loop();
  void Campaign();
  // A lease and the key; what of it failed.
  Status TryToLead();
  // Puts the key; whether it is ours then.
  Result<std::optional<int64_t>> TakeKey(int64_t lease);
  Status RemoveStaleLeader(const KeyValue& leader);
  void AwaitChangeOf(const KeyValue& leader);
  void Lead();
  // Renews; whether the term goes on.
  bool Renew(int64_t lease);
  void End(const Term& term);
  // After Yield: lets others go first.
  void StandBack();
  // Whether to stop, after so long at most.
  bool Pause(uint64_t ms);
  bool stopping() const;
  bool yielding() const;

  StateStore& store_;
  const Options options_;
  // Shared with the answers to changes that are under way.
  const std::shared_ptr<State> state_ = std::make_shared<State>();
  int64_t granted_s_ = 0;  // the thread's

  mutable std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;  // by mutex_
  bool yielding_ = false;  // likewise
  std::thread thread_;
};

}  // namespace farlane::pool
