// SPDX-License-Identifier: Apache-2.0
// AuditedSessionStore keeps sessions, and writes down in the audit log what each has used when it
// is over.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "pool-manager/daemon/led_session_store.h"
#include "pool-manager/trust/guards.h"
#include "protocol/base/guarded.h"

namespace farlane::pool {

// Thread: any, guarded.
class AuditedSessionStore : public LedSessionStore {
 public:
  AuditedSessionStore(StateStore& store,
                      const std::unique_ptr<Leadership>& leadership,
                      const char* kind,
                      int64_t epoch,
                      std::shared_ptr<Guards> guards)
      : LedSessionStore(store, leadership, kind, epoch), guards_(std::move(guards)) {}

  farlane::Status Save(const v1::Session& session) override;

 private:
  const std::shared_ptr<Guards> guards_;  // shared with the office and the requests under way
  Guarded<std::set<std::string>> over_;   // that were written down
};

}  // namespace farlane::pool
