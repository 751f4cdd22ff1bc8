// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/signing_key_file.h"

#include <cstring>

namespace farlane::pool {
namespace {

using Secret = std::array<uint8_t, token::SigningKey::kSecretBytes>;

constexpr char kFile[] = "signing.key";

}  // namespace

Result<token::SigningKey> MakeSigningKey(const pki::Safe& safe) {
  FARLANE_ASSIGN(token::SigningKey key, token::SigningKey::Make());
  FARLANE_ASSIGN(Secret secret, key.Secret());
  const Status written = safe.Keep(
      kFile, std::string_view(reinterpret_cast<const char*>(secret.data()), secret.size()));
  explicit_bzero(secret.data(), secret.size());
  FARLANE_TRY(written);
  return key;
}

Result<token::SigningKey> TakeSigningKey(const pki::Safe& safe) {
  FARLANE_ASSIGN(std::optional<std::string> bytes, safe.Take(kFile));
  if (!bytes.has_value()) {
    return MakeSigningKey(safe);
  }
  Secret secret{};
  if (bytes->size() != secret.size()) {
    return Status(StatusCode::kCorrupt, std::string(kFile) + " is no key");
  }
  memcpy(secret.data(), bytes->data(), secret.size());
  explicit_bzero(bytes->data(), bytes->size());
  Result<token::SigningKey> key = token::SigningKey::FromSecret(secret);
  explicit_bzero(secret.data(), secret.size());
  return key;
}

}  // namespace farlane::pool
