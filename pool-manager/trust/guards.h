// SPDX-License-Identifier: Apache-2.0
// Guards is what stands before a pool while this manager leads it: whoever comes is recognized, who
// joins is let in, and what is done is written down.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "pool-manager/trust/audit_log.h"
#include "pool-manager/trust/audit_verify.h"
#include "pool-manager/trust/join_desk.h"
#include "pool-manager/trust/record_store.h"
#include "pool-manager/trust/server_roll.h"
#include "pool-manager/trust/token_desk.h"

namespace farlane::pool {

// Thread: any; its parts are guarded.
class Guards {
 public:
  struct Settings {
    TokenDesk::Settings tokens;
    AuditLog::Options audit;
    // New keys for all that this manager signs and shows.
    std::function<Result<v1::RotateResponse>(RecordStore& store)> rotate;
    // Takes up the keys that all managers of the pool have, when a term begins.
    std::function<Status(RecordStore& store)> take_keys{};
    // What a newcomer of this kind gets; empty: this pool has no certificates.
    std::function<Result<v1::JoinResponse>(const std::string& kind, const v1::JoinRequest& wish)>
        admit{};
  };

  // Of a term that begins.
  static Result<std::shared_ptr<Guards>> Begin(Settings settings,
                                               std::unique_ptr<RecordStore> store,
                                               int64_t now_ms);

  TokenDesk& tokens() { return *tokens_; }

  JoinDesk& joins() { return *joins_; }

  ServerRoll& roll() { return *roll_; }

  AuditLog& audit() { return *audit_; }

  // What stands behind "Bearer ", or an empty text.
  static std::string SecretOf(const std::string& authorization);

  // Who shows this header, a token or a join key; see TokenDesk.
  Result<Caller> Recognize(const std::string& authorization,
                           std::optional<uint32_t> local_user,
                           int64_t now_ms) const;

  // What whoever shows this join key gets for it; `kind`: what the key has to be for, or an empty
  // text. kUnsupported: the pool has no certificates.
  Result<v1::JoinResponse> Join(const std::string& secret,
                                const std::string& kind,
                                const v1::JoinRequest& wish,
                                int64_t now_ms);

  // The server's certificates count no more.
  Result<v1::ServerRecord> Revoke(const std::string& server_id,
                                  const std::string& name,
                                  const std::string& by,
                                  int64_t now_ms);

  // The whole log of this manager, against what the store knows of it.
  Result<v1::AuditVerdict> VerifyLog();

  Result<v1::RotateResponse> Rotate();

 private:
  Guards(Settings settings, std::unique_ptr<RecordStore> store)
      : settings_(std::move(settings)), store_(std::move(store)) {}

  // Of two who call themselves the same, one is the first.
  struct JoinTurn {};

  Result<v1::JoinResponse> JoinInTurn(const std::string& secret,
                                      const std::string& kind,
                                      const v1::JoinRequest& wish,
                                      int64_t now_ms);

  const Settings settings_;
  const std::unique_ptr<RecordStore> store_;
  // Made by Begin, and not changed.
  std::unique_ptr<TokenDesk> tokens_;
  std::unique_ptr<JoinDesk> joins_;
  std::unique_ptr<ServerRoll> roll_;
  std::unique_ptr<AuditLog> audit_;
  Guarded<JoinTurn> join_turn_;
};

}  // namespace farlane::pool
