// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/signing_key_file.h"

#include <cstring>

#include "pool-manager/trust/secret_file.h"

namespace farlane::pool {
namespace {

using Secret = std::array<uint8_t, token::SigningKey::kSecretBytes>;

std::string FileIn(const std::string& folder) {
  return folder + "/signing.key";
}

}  // namespace

Result<token::SigningKey> MakeSigningKey(const std::string& folder) {
  FARLANE_ASSIGN(token::SigningKey key, token::SigningKey::Make());
  FARLANE_ASSIGN(Secret secret, key.Secret());
  const Status written = WriteSecretFile(
      FileIn(folder),
      std::string_view(reinterpret_cast<const char*>(secret.data()), secret.size()));
  explicit_bzero(secret.data(), secret.size());
  FARLANE_TRY(written);
  return key;
}

Result<token::SigningKey> TakeSigningKey(const std::string& folder) {
  FARLANE_ASSIGN(std::optional<std::string> bytes, ReadSecretFile(FileIn(folder)));
  if (!bytes.has_value()) {
    return MakeSigningKey(folder);
  }
  Secret secret{};
  if (bytes->size() != secret.size()) {
    return Status(StatusCode::kCorrupt, FileIn(folder) + " is no key");
  }
  memcpy(secret.data(), bytes->data(), secret.size());
  explicit_bzero(bytes->data(), bytes->size());
  Result<token::SigningKey> key = token::SigningKey::FromSecret(secret);
  explicit_bzero(secret.data(), secret.size());
  return key;
}

}  // namespace farlane::pool
