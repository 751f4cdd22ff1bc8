// SPDX-License-Identifier: Apache-2.0
// SessionStore keeps what must survive the manager: which sessions were granted and which wait,
// whose they may be, and the epoch, a number that is higher each time somebody begins to manage the
// pool.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/base/result.h"
#include "protocol/control/pool.pb.h"

namespace farlane::pool {

// Thread: any, guarded.
class SessionStore {
 public:
  virtual ~SessionStore() = default;

  // What it is, for people: "sqlite".
  virtual const char* kind() const = 0;
  // Of the manager that has opened it.
  virtual uint64_t epoch() const = 0;

  virtual Result<std::vector<v1::Session>> Load() = 0;
  // What people have said of servers.
  virtual Result<std::vector<v1::ServerOrders>> LoadOrders() = 0;
  virtual farlane::Status SaveOrders(const v1::ServerOrders& orders) = 0;

  // When this returns, the session is there whatever becomes of the machine.
  virtual farlane::Status Save(const v1::Session& session) = 0;
  // They are not kept any more; those that are not there do no harm.
  virtual farlane::Status DropSessions(const std::vector<std::string>& ids) = 0;

  // What was learned of programs.
  virtual Result<std::vector<v1::Profile>> LoadProfiles() = 0;
  virtual farlane::Status SaveProfile(const v1::Profile& profile) = 0;

  // What tenants have had of the pool; nothing was stored: they have had nothing.
  virtual Result<v1::TenantUse> LoadUse() = 0;
  virtual farlane::Status SaveUse(const v1::TenantUse& use) = 0;

  virtual Result<std::vector<v1::Project>> LoadProjects() = 0;
  virtual farlane::Status SaveProject(const v1::Project& project) = 0;
  virtual farlane::Status DropProject(const std::string& name) = 0;
};

}  // namespace farlane::pool
