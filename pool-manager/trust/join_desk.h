// SPDX-License-Identifier: Apache-2.0
// JoinDesk gives keys by which one newcomer each, a server or a manager, joins the pool: they count
// once and for a short time. A key's secret is 256 random bits, of which only the SHA-256 is kept.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pool-manager/trust/caller.h"
#include "pool-manager/trust/record_store.h"
#include "protocol/base/guarded.h"
#include "protocol/control/join.pb.h"

namespace farlane::pool {

// Thread: any, guarded.
class JoinDesk {
 public:
  static constexpr char kServer[] = "server";
  static constexpr char kManager[] = "manager";
  static constexpr int64_t kLifetimeSeconds = 3600;
  static constexpr int64_t kLifetimeSecondsMax = 7 * 86'400;
  // How long one is listed that has been used, or has expired.
  static constexpr int64_t kListedMs = 7 * 86'400'000ll;
  static constexpr size_t kKeysMax = 10'000;

  // Takes up what the store has. Borrows it.
  static Result<std::unique_ptr<JoinDesk>> Open(RecordStore& store);

  // Whether what somebody shows is meant to be such a key, good or not.
  static bool IsJoinKey(std::string_view secret);

  // kInvalidArgument: the wish is wrong.
  Result<v1::CreateJoinKeyResponse> Make(const v1::CreateJoinKeyRequest& wish,
                                         const Caller& maker,
                                         int64_t now_ms);
  // It opens nothing any more. kNotFound: there is none.
  Result<v1::JoinKey> Revoke(const std::string& id);
  std::vector<v1::JoinKey> List() const;

  // The key that has this secret. kRefused: there is none, or it has expired.
  Result<v1::JoinKey> Recognize(std::string_view secret, int64_t now_ms) const;

  // From now on it counts for nothing else. `by` and `request`: who joins, and what he asks for; he
  // may ask for the same once more, because an answer can be lost. kRefused: it has been used.
  Status Use(std::string_view secret,
             const std::string& by,
             std::string_view request,
             int64_t now_ms);

 private:
  using Keys = std::map<std::string, v1::JoinKey>;  // by digest

  explicit JoinDesk(RecordStore& store) : store_(store) {}

  Status DropOld(int64_t now_ms);

  // One key is used, or ended, at a time: held while the store is waited for, and before keys_.
  struct Turn {};

  RecordStore& store_;
  Guarded<Turn> turn_;
  Guarded<Keys> keys_;
};

}  // namespace farlane::pool
