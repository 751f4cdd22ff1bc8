// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/agent/token_judge.h"

#include <algorithm>

namespace farlane::agent {
namespace {

// No manager signs a token for longer, so that what is over need not be remembered for ever.
constexpr uint64_t kTokenSecondsMax = 3600;

Status Refused(const std::string& why) {
  return Status(StatusCode::kRefused, why);
}

}  // namespace

bool TokenJudge::HearEpoch(uint64_t epoch) {
  epoch_ = std::max(epoch_, epoch);
  return epoch == epoch_;
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

Result<SliceRequest> TokenJudge::Judge(std::string_view text,
                                       const token::Id& session,
                                       const Sha256Digest& key_digest,
                                       uint64_t now_s) {
  if (text.empty()) {
    return Refused("this server belongs to a pool: ask the pool for a session (FARLANE_POOL)");
  }
  FARLANE_ASSIGN(const token::ReadToken read, token::ParseToken(text));
  const token::SessionToken& token = read.token;
  const auto key = keys_.find(token.key_id);
  if (key == keys_.end()) {
    return Refused(keys_.empty() ? "this server has not heard from its pool yet"
                                 : "the token is signed by a key that is not the pool's");
  }
  if (!read.IsSigned(key->second)) {
    return Refused("the token's signature is not the pool's");
  }
  // Whoever signs after another has taken over does not know what that one has granted.
  if (token.epoch < epoch_) {
    return Refused("the token is of a manager that has been replaced; ask the pool again");
  }
  if (token.server != server_) {
    return Refused("the token is for another server");
  }
  if (token.session != session || token.key_digest != key_digest) {
    return Refused("the token is for another session than FARLANE_SESSION names");
  }
  if (now_s + kSkewSeconds < token.not_before_s) {
    return Refused("the token is not valid yet; do the clocks of pool and server agree?");
  }
  if (now_s > token.expires_s + kSkewSeconds ||
      token.expires_s > token.not_before_s + kTokenSecondsMax) {
    return Refused("the token has expired");
  }
  if (over_.contains(session)) {
    return Refused("the session is over");
  }
  return token.slice;
}

}  // namespace farlane::agent
