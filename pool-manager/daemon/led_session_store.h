// SPDX-License-Identifier: Apache-2.0
// LedSessionStore keeps sessions in a StateStore for as long as this process leads the pool. Each
// write says whose it is: once another manager leads, none of this one's is taken any more.
#pragma once

#include <memory>

#include "pool-manager/daemon/commit_queue.h"
#include "pool-manager/daemon/session_store.h"
#include "pool-manager/store/leadership.h"
#include "pool-manager/store/state_store.h"

namespace farlane::pool {

// Borrows both.
// Thread: any.
class LedSessionStore : public SessionStore {
 public:
  // `epoch` is the one that the leadership began with. The pointer may be set later, by whoever
  // lets anybody store something.
  LedSessionStore(StateStore& store,
                  const std::unique_ptr<Leadership>& leadership,
                  const char* kind,
                  int64_t epoch)
      : store_(store), leadership_(leadership), kind_(kind), epoch_(epoch) {}

  const char* kind() const override { return kind_; }

  uint64_t epoch() const override { return static_cast<uint64_t>(epoch_); }

  Result<std::vector<v1::Session>> Load() override;
  farlane::Status Save(const v1::Session& session) override;
  farlane::Status DropSessions(const std::vector<std::string>& ids) override;
  Result<std::vector<v1::ServerOrders>> LoadOrders() override;
  farlane::Status SaveOrders(const v1::ServerOrders& orders) override;
  Result<std::vector<v1::Profile>> LoadProfiles() override;
  farlane::Status SaveProfile(const v1::Profile& profile) override;
  Result<v1::TenantUse> LoadUse() override;
  farlane::Status SaveUse(const v1::TenantUse& use) override;
  Result<std::vector<v1::Project>> LoadProjects() override;
  farlane::Status SaveProject(const v1::Project& project) override;
  farlane::Status DropProject(const std::string& name) override;

 private:
  farlane::Status Commit(Operation operation) { return queue_.Put({std::move(operation)}); }

  farlane::Status CommitTogether(std::vector<Operation> operations);

  StateStore& store_;
  const std::unique_ptr<Leadership>& leadership_;
  const char* const kind_;
  const int64_t epoch_;
  CommitQueue queue_{
      [this](std::vector<Operation> operations) { return CommitTogether(std::move(operations)); }};
};

}  // namespace farlane::pool
