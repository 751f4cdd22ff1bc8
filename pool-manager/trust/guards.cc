// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/guards.h"

#include <array>
#include <string_view>
#include <utility>

#include "protocol/control/hex.h"

namespace farlane::pool {
namespace {

constexpr std::string_view kScheme = "Bearer ";

Status NoCertificates() {
  return Status(StatusCode::kUnsupported,
                "this pool has no certificates: its managers are to be started with --tls");
}

bool IsId(const std::string& text) {
  std::array<uint8_t, 16> bytes{};
  return control::FromHex(text, bytes);
}

}  // namespace

Result<std::shared_ptr<Guards>> Guards::Begin(Settings settings,
                                              std::unique_ptr<RecordStore> store,
                                              int64_t now_ms) {
  std::shared_ptr<Guards> guards(new Guards(std::move(settings), std::move(store)));
  const Settings& own = guards->settings_;
  if (own.take_keys) {
    FARLANE_TRY(own.take_keys(*guards->store_));
  }
  FARLANE_ASSIGN(guards->tokens_, TokenDesk::Open(own.tokens, *guards->store_));
  FARLANE_ASSIGN(guards->joins_, JoinDesk::Open(*guards->store_));
  FARLANE_ASSIGN(guards->roll_, ServerRoll::Open(*guards->store_));
  FARLANE_ASSIGN(guards->audit_, AuditLog::Begin(own.audit, *guards->store_, now_ms));
  return guards;
}

std::string Guards::SecretOf(const std::string& authorization) {
  return authorization.starts_with(kScheme) ? authorization.substr(kScheme.size()) : "";
}

Result<Caller> Guards::Recognize(const std::string& authorization,
                                 std::optional<uint32_t> local_user,
                                 int64_t now_ms) const {
  const std::string secret = SecretOf(authorization);
  if (!JoinDesk::IsJoinKey(secret)) {
    return tokens_->Recognize(authorization, local_user, now_ms);
  }
  FARLANE_ASSIGN(const v1::JoinKey key, joins_->Recognize(secret, now_ms));
  return Caller{.user = "join key " + key.id(),
                .roles = {},
                .project = "",
                .token_id = key.id(),
                .expires_ms = key.expires_ms(),
                .joins = true};
}

Result<v1::JoinResponse> Guards::Join(const std::string& secret,
                                      const std::string& kind,
                                      const v1::JoinRequest& wish,
                                      int64_t now_ms) {
  if (!settings_.admit) {
    return NoCertificates();
  }
  return join_turn_.With(
      [&](JoinTurn& /*turn*/) { return JoinInTurn(secret, kind, wish, now_ms); });
}

Result<v1::JoinResponse> Guards::JoinInTurn(const std::string& secret,
                                            const std::string& kind,
                                            const v1::JoinRequest& wish,
                                            int64_t now_ms) {
  FARLANE_ASSIGN(const v1::JoinKey key, joins_->Recognize(secret, now_ms));
  if (!kind.empty() && key.kind() != kind) {
    return Status(StatusCode::kRefused, "the join key " + key.id() + " is for a " + key.kind());
  }
  if (!IsId(wish.id())) {
    return Status(StatusCode::kInvalidArgument,
                  "who joins calls itself by 32 hexadecimal digits, not \"" + wish.id() + "\"");
  }
  // Else whoever may join could become a server that he has seen in a list.
  if (roll_->Has(wish.id()) && (key.used_by() != wish.id() || roll_->IsRevoked(wish.id()))) {
    return Status(StatusCode::kRefused,
                  "there is, or was, a server " + wish.id() + ": who joins needs another id");
  }
  // Nobody sees it before the key is used up.
  FARLANE_ASSIGN(v1::JoinResponse response, settings_.admit(key.kind(), wish));
  response.set_kind(key.kind());
  FARLANE_TRY(joins_->Use(secret, wish.id(), wish.request(), now_ms));
  if (key.kind() == JoinDesk::kServer) {
    v1::ServerRecord record;
    record.set_server_id(wish.id());
    record.set_joined_ms(now_ms);
    record.set_joined_by(key.id());
    FARLANE_TRY(roll_->Enter(record));
  }
  return response;
}

Result<v1::ServerRecord> Guards::Revoke(const std::string& server_id,
                                        const std::string& name,
                                        const std::string& by,
                                        int64_t now_ms) {
  return settings_.admit ? roll_->Revoke(server_id, name, by, now_ms)
                         : Result<v1::ServerRecord>(NoCertificates());
}

Result<v1::AuditVerdict> Guards::VerifyLog() {
  audit_->Look();
  FARLANE_ASSIGN(const std::vector<v1::AuditHead> heads, AuditHeads(*store_));
  return VerifyAudit(settings_.audit.folder, heads, settings_.audit.manager);
}

Result<v1::RotateResponse> Guards::Rotate() {
  return settings_.rotate ? settings_.rotate(*store_)
                          : Result<v1::RotateResponse>(Status(
                                StatusCode::kUnsupported, "this manager has no keys to change"));
}

}  // namespace farlane::pool
