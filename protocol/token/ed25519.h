// SPDX-License-Identifier: Apache-2.0
// Signatures by Ed25519 (RFC 8032): who has the private key signs, anybody with the public one can
// tell. A stolen server cannot make tokens for others.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

struct evp_pkey_st;

namespace farlane::token {

using PublicKey = std::array<uint8_t, 32>;
using Signature = std::array<uint8_t, 64>;

// Whether a public key's owner has signed these bytes.
bool IsSignedBy(const PublicKey& key, ConstBytes bytes, const Signature& signature);

// Thread: any; it does not change.
class SigningKey {
 public:
  static constexpr size_t kSecretBytes = 32;

  static Result<SigningKey> Make();
  // Of what Secret has given.
  static Result<SigningKey> FromSecret(std::span<const uint8_t, kSecretBytes> secret);

  SigningKey(SigningKey&& other) noexcept = default;
  SigningKey& operator=(SigningKey&& other) noexcept = default;

  Result<Signature> Sign(ConstBytes bytes) const;

  const PublicKey& public_key() const { return public_key_; }

  // Whoever has this can sign. The caller wipes it.
  Result<std::array<uint8_t, kSecretBytes>> Secret() const;

 private:
  struct Free {
    void operator()(evp_pkey_st* key) const;
  };

  using Key = std::unique_ptr<evp_pkey_st, Free>;

  SigningKey(Key key, const PublicKey& public_key)
      : key_(std::move(key)), public_key_(public_key) {}

  static Result<SigningKey> Of(Key key);

  Key key_;
  PublicKey public_key_{};
};

}  // namespace farlane::token
