// SPDX-License-Identifier: Apache-2.0
// TokenJudge says whether a session's token opens it at this server. It decides from what the
// pool's manager has said before, so it goes on deciding while no manager can be reached.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "gpu-server/daemon/control_record.h"
#include "protocol/base/result.h"
#include "protocol/token/session_token.h"

namespace farlane::agent {

// Thread: caller's.
class TokenJudge {
 public:
  // Clocks of two machines differ by no more than this.
  static constexpr uint64_t kSkewSeconds = 30;

  explicit TokenJudge(const token::Id& server) : server_(server) {}

  // What the manager has said. An epoch lower than one that was heard changes nothing: false.
  bool HearEpoch(uint64_t epoch);

  // By which tokens are signed now. Those before them count for what was adopted.
  void SetKeys(std::map<uint32_t, token::PublicKey> keys);

  // What a leader before the present one has granted, and the present one has taken over. By that
  // one's clock, which this server does not know any more, their tokens have their time; here, a
  // few minutes.
  void Adopt(std::set<token::Id> sessions, uint64_t now_s);

  // It does not open any more, whatever token is shown.
  void Revoke(const token::Id& session, uint64_t now_s);

  // Which sessions the server has: one that it had and has not any more does not open again.
  void SeeSessions(const std::set<token::Id>& sessions, uint64_t now_s);

  // What was granted to the session that these open, for who has shown them, or why they do not.
  Result<server::PoolGrant> Judge(std::string_view text,
                                  const token::Id& session,
                                  const Sha256Digest& key_digest,
                                  uint64_t now_s);

  uint64_t epoch() const { return epoch_; }

  // Before a manager has been heard, no token can be judged.
  bool HasKeys() const { return !keys_.empty(); }

 private:
  const token::PublicKey* FindKey(uint32_t id, bool is_adopted) const;
  void Forget(uint64_t now_s);

  const token::Id server_;
  uint64_t epoch_ = 0;
  std::map<uint32_t, token::PublicKey> keys_;
  std::map<uint32_t, token::PublicKey> former_keys_;
  std::set<token::Id> adopted_;
  uint64_t adopted_until_s_ = 0;
  // Sessions that are over, and until when a token of theirs could still be in time.
  std::map<token::Id, uint64_t> over_;
  std::set<token::Id> open_;
};

}  // namespace farlane::agent
