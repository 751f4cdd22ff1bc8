// SPDX-License-Identifier: Apache-2.0
// Guards is what stands before a pool while this manager leads it: whoever comes is recognized, and
// what he does is written down.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "pool-manager/trust/audit_log.h"
#include "pool-manager/trust/audit_verify.h"
#include "pool-manager/trust/record_store.h"
#include "pool-manager/trust/token_desk.h"

namespace farlane::pool {

// Thread: any; its parts are guarded.
class Guards {
 public:
  struct Settings {
    TokenDesk::Settings tokens;
    AuditLog::Options audit;
    // New keys for all that this manager signs and shows.
    std::function<Result<v1::RotateResponse>()> rotate;
  };

  // Of a term that begins.
  static Result<std::shared_ptr<Guards>> Begin(Settings settings,
                                               std::unique_ptr<RecordStore> store,
                                               int64_t now_ms) {
    FARLANE_ASSIGN(std::unique_ptr<TokenDesk> tokens, TokenDesk::Open(settings.tokens, *store));
    FARLANE_ASSIGN(std::unique_ptr<AuditLog> audit,
                   AuditLog::Begin(settings.audit, *store, now_ms));
    return std::shared_ptr<Guards>(
        new Guards(std::move(settings), std::move(store), std::move(tokens), std::move(audit)));
  }

  TokenDesk& tokens() { return *tokens_; }

  AuditLog& audit() { return *audit_; }

  // The whole log of this manager, against what the store knows of it.
  Result<v1::AuditVerdict> VerifyLog() {
    audit_->Look();
    FARLANE_ASSIGN(const std::vector<v1::AuditHead> heads, AuditHeads(*store_));
    return VerifyAudit(settings_.audit.folder, heads, settings_.audit.manager);
  }

  Result<v1::RotateResponse> Rotate() {
    return settings_.rotate ? settings_.rotate()
                            : Result<v1::RotateResponse>(Status(
                                  StatusCode::kUnsupported, "this manager has no keys to change"));
  }

 private:
  Guards(Settings settings,
         std::unique_ptr<RecordStore> store,
         std::unique_ptr<TokenDesk> tokens,
         std::unique_ptr<AuditLog> audit)
      : settings_(std::move(settings)),
        store_(std::move(store)),
        tokens_(std::move(tokens)),
        audit_(std::move(audit)) {}

  const Settings settings_;
  const std::unique_ptr<RecordStore> store_;
  const std::unique_ptr<TokenDesk> tokens_;
  const std::unique_ptr<AuditLog> audit_;
};

}  // namespace farlane::pool
