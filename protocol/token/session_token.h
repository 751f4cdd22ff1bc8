// SPDX-License-Identifier: Apache-2.0
// SessionToken is what a pool's manager gives to whoever was granted a session, and a GPU server
// asks for: this session, at this server, of this size, for whoever holds this key, until then. It
// travels as text, in FARLANE_TOKEN and in the hello, and is worth nothing without the session's
// key, of which it names the digest only.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/base/net_rate.h"
#include "protocol/base/result.h"
#include "protocol/base/sha256.h"
#include "protocol/base/slice.h"
#include "protocol/token/ed25519.h"

namespace farlane::token {

using Id = std::array<uint8_t, 16>;

// Thread: caller's.
struct SessionToken {
  uint32_t key_id = 0;  // of the key that signs
  uint64_t epoch = 0;   // of the manager that signs
  Id session{};
  Id server{};
  Sha256Digest key_digest{};
  SliceRequest slice{};
  // Seconds since 1970: it opens the session in this time.
  uint64_t not_before_s = 0;
  uint64_t expires_s = 0;
  // The most that the session moves over the server's network; 0: the pool sets no limit. Servers
  // that do not know such tokens refuse them.
  NetRate net_limit = 0;

  bool operator==(const SessionToken&) const = default;
};

// How every token begins.
inline constexpr std::string_view kTokenPrefix = "flt1.";

inline bool LooksLikeToken(std::string_view text) {
  return text.starts_with(kTokenPrefix);
}

Result<std::string> SignToken(const SessionToken& token, const SigningKey& key);

// A text taken apart; nothing of it is believed before IsSigned.
struct ReadToken {
  SessionToken token{};
  std::string bytes{};  // that were signed
  Signature signature{};

  bool IsSigned(const PublicKey& key) const;
};

Result<ReadToken> ParseToken(std::string_view text);

}  // namespace farlane::token
