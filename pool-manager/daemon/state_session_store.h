// SPDX-License-Identifier: Apache-2.0
// StateSessionStore keeps sessions in a StateStore. Each write says whose it is: once another
// manager has begun, none of this one's is taken any more.
#pragma once

#include <memory>

#include "pool-manager/daemon/session_store.h"
#include "pool-manager/store/state_store.h"

namespace farlane::pool {

// Thread: any.
class StateSessionStore : public SessionStore {
 public:
  // Takes over: from now on the epoch is this one's.
  static Result<std::unique_ptr<StateSessionStore>> Open(std::unique_ptr<StateStore> store,
                                                         const char* kind);

  const char* kind() const override { return kind_; }

  uint64_t epoch() const override { return static_cast<uint64_t>(epoch_); }

  Result<std::vector<v1::Session>> Load() override;
  farlane::Status Save(const v1::Session& session) override;

 private:
  StateSessionStore(std::unique_ptr<StateStore> store, const char* kind, int64_t epoch)
      : store_(std::move(store)), kind_(kind), epoch_(epoch) {}

  const std::unique_ptr<StateStore> store_;
  const char* const kind_;
  const int64_t epoch_;  // the revision at which the manager's key was written
};

}  // namespace farlane::pool
