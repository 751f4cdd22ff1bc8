// SPDX-License-Identifier: Apache-2.0
// TokenDesk gives tokens to people and programs, and recognizes who shows one. A token's secret is
// 256 random bits, of which only the SHA-256 is kept: whoever reads the store can show nothing.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pool-manager/trust/caller.h"
#include "pool-manager/trust/record_store.h"
#include "protocol/base/guarded.h"
#include "protocol/base/sha256.h"
#include "protocol/control/pool.pb.h"

namespace farlane::pool {

// Thread: any, guarded.
class TokenDesk {
 public:
  // Who shows no token.
  enum class Strangers : uint8_t {
    kRefused,
    kLocalUsers,  // on this machine: the manager's own user and root are admins, the others users
    kAdmins,      // whoever he is
  };

  struct Settings {
    std::string admin_token;  // the pool admin's, from a file; empty: there is none
    Strangers strangers = Strangers::kRefused;
  };

  static constexpr int64_t kLifetimeSeconds = 90 * 86'400;
  static constexpr int64_t kLifetimeSecondsMax = 3650 * 86'400ll;
  // Nobody has as many; a store that is full serves nobody.
  static constexpr size_t kTokensMax = 100'000;

  // Takes up what the store has. Borrows it.
  static Result<std::unique_ptr<TokenDesk>> Open(Settings settings, RecordStore& store);

  // Who shows this header ("Bearer …"); a sentence: why nobody is meant by it. `local_user`: of
  // this machine, where the kernel says who he is.
  Result<Caller> Recognize(const std::string& authorization,
                           std::optional<uint32_t> local_user,
                           int64_t now_ms) const;

  // kInvalidArgument: the wish is wrong; kRefused: its maker may not.
  Result<v1::CreateTokenResponse> Make(const v1::CreateTokenRequest& wish,
                                       const Caller& maker,
                                       int64_t now_ms);
  // kNotFound: there is none, or none that he may end.
  Result<v1::ApiToken> Revoke(const std::string& id, const Caller& caller);

  // Those that he may see, without digests.
  std::vector<v1::ApiToken> List(const Caller& caller) const;

 private:
  struct Tokens {
    std::map<std::string, v1::ApiToken> by_digest;
    std::map<std::string, std::string> digests;  // by id
  };

  TokenDesk(Settings settings, RecordStore& store)
      : settings_(std::move(settings)), store_(store) {}

  Result<Caller> RecognizeStranger(std::optional<uint32_t> local_user) const;
  std::string Draft(const v1::CreateTokenRequest& wish,
                    const Caller& maker,
                    int64_t now_ms,
                    v1::ApiToken* token) const;

  const Settings settings_;
  RecordStore& store_;
  Guarded<Tokens> tokens_;
};

}  // namespace farlane::pool
