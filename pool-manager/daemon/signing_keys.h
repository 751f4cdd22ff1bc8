// SPDX-License-Identifier: Apache-2.0
// SigningKeys is what this manager signs tokens with while it leads: the pool's key, and around a
// change two. Servers hear of a new one before anything is signed by it, and believe the old one
// until its last token has expired.
#pragma once

#include <cstdint>
#include <optional>

#include "protocol/base/guarded.h"
#include "protocol/base/result.h"
#include "protocol/control/pool.pb.h"
#include "protocol/token/session_token.h"

namespace farlane::pool {

// Thread: any, guarded.
class SigningKeys {
 public:
  // A server that listens has heard of a new key within this.
  static constexpr uint64_t kTellNs = 1'000'000'000;
  // No token lives longer, with what clocks differ by.
  static constexpr uint64_t kFormerNs = 120'000'000'000;

  // None yet: nothing can be signed before Take.
  SigningKeys() = default;
  explicit SigningKeys(token::SigningKey key);

  // What the pool's store has, when a term begins. The former counts until `former_ends_ns`.
  void Take(token::SigningKey current,
            std::optional<token::SigningKey> former,
            uint64_t former_ends_ns);

  // The token names the key that signs it.
  Result<std::string> Sign(token::SessionToken token) const;

  // All that servers are to believe.
  void ListTo(v1::ToServer::Keys* keys) const;

  // Whether a change is under way, so that Rotate would refuse.
  bool IsChanging() const;

  // From now on servers are told of it; kTellNs later it signs. kExhausted: another change is under
  // way.
  Status Rotate(token::SigningKey next, uint64_t now_ns);

  // Once a second, or so. True: servers are to be told what changed.
  bool Look(uint64_t now_ns);

 private:
  struct Keys {
    std::optional<token::SigningKey> current{};
    std::optional<token::SigningKey> next{};
    std::optional<token::SigningKey> former{};
    uint64_t changes_ns = 0;  // when next signs, or former is forgotten
  };

  Guarded<Keys> keys_;
};

}  // namespace farlane::pool
