// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/agent/token_judge.h"

#include <algorithm>

namespace farlane::agent {
namespace {

// No manager signs a token for longer, so that what is over need not be remembered for ever.
constexpr uint64_t kTokenSecondsMax = 3600;
// A reservation whom nobody comes to is not kept for longer (Pool::kReservedNs), and some more.
constexpr uint64_t kAdoptedSeconds = 150;
// A pool's key is changed now and then; in a pool of before each manager had one of its own.
constexpr size_t kFormerKeysMax = 16;

Status Refused(const std::string& why) {
  return Status(StatusCode::kRefused, why);
}

}  // namespace

bool TokenJudge::HearEpoch(uint64_t epoch) {
  epoch_ = std::max(epoch_, epoch);
  return epoch == epoch_;
}

void TokenJudge::SetKeys(std::map<uint32_t, token::PublicKey> keys) {
  for (const auto& [id, key] : keys_) {
    if (former_keys_.size() < kFormerKeysMax) {
      former_keys_[id] = key;
    }
  }
  keys_ = std::move(keys);
}

void TokenJudge::Adopt(std::set<token::Id> sessions, uint64_t now_s) {
  adopted_ = std::move(sessions);
  adopted_until_s_ = now_s + kAdoptedSeconds;
}

const token::PublicKey* TokenJudge::FindKey(uint32_t id, bool is_adopted) const {
  const auto key = keys_.find(id);
  if (key != keys_.end()) {
    return &key->second;
  }
  const auto former = former_keys_.find(id);
  return is_adopted && former != former_keys_.end() ? &former->second : nullptr;
}

void TokenJudge::Revoke(const token::Id& session, uint64_t now_s) {
  over_[session] = now_s + kTokenSecondsMax + kSkewSeconds;
}

void TokenJudge::SeeSessions(const std::set<token::Id>& sessions, uint64_t now_s) {
  for (const token::Id& session : open_) {
    if (!sessions.contains(session)) {
      Revoke(session, now_s);
    }
  }
  open_ = sessions;
  Forget(now_s);
}

void TokenJudge::Forget(uint64_t now_s) {
  std::erase_if(over_, [now_s](const auto& entry) { return entry.second < now_s; });
}

Result<server::PoolGrant> TokenJudge::Judge(std::string_view text,
                                            const token::Id& session,
                                            const Sha256Digest& key_digest,
                                            uint64_t now_s) {
  if (text.empty()) {
    return Refused("this server belongs to a pool: ask the pool for a session (FARLANE_POOL)");
  }
  FARLANE_ASSIGN(const token::ReadToken read, token::ParseToken(text));
  const token::SessionToken& token = read.token;
  const bool is_adopted =
      token.epoch < epoch_ && now_s < adopted_until_s_ && adopted_.contains(token.session);
  const token::PublicKey* const key = FindKey(token.key_id, is_adopted);
  if (key == nullptr) {
    return Refused(keys_.empty() ? "this server has not heard from its pool yet"
                                 : "the token is signed by a key that is not the pool's");
  }
  if (!read.IsSigned(*key)) {
    return Refused("the token's signature is not the pool's");
  }
  // Whoever signs after another has taken over does not know what that one has granted; what was
  // granted before, that one knows.
  if (token.epoch < epoch_ && !is_adopted) {
    return Refused("the token is of a manager that has been replaced; ask the pool again");
  }
  if (token.server != server_) {
    return Refused("the token is for another server");
  }
  if (token.session != session || token.key_digest != key_digest) {
    return Refused("the token is for another session than FARLANE_SESSION names");
  }
  if (!is_adopted && now_s + kSkewSeconds < token.not_before_s) {
    return Refused("the token is not valid yet; do the clocks of pool and server agree?");
  }
  if ((!is_adopted && now_s > token.expires_s + kSkewSeconds) ||
      token.expires_s > token.not_before_s + kTokenSecondsMax) {
    return Refused("the token has expired");
  }
  if (over_.contains(session)) {
    return Refused("the session is over");
  }
  return server::PoolGrant{.slice = token.slice, .net_limit = token.net_limit, .reserved = 0};
}

}  // namespace farlane::agent
