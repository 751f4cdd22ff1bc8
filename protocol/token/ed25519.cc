// SPDX-License-Identifier: Apache-2.0
#include "protocol/token/ed25519.h"

#include <openssl/evp.h>

namespace farlane::token {
namespace {

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

using Context = std::unique_ptr<EVP_MD_CTX, FreeContext>;

const unsigned char* Raw(ConstBytes bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

Status Failed(const char* what) {
  return Status(StatusCode::kInternal, std::string("OpenSSL cannot ") + what);
}

}  // namespace

bool IsSignedBy(const PublicKey& key, ConstBytes bytes, const Signature& signature) {
  EVP_PKEY* const raw =
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size());
  const Context context(EVP_MD_CTX_new());
  const bool right = raw != nullptr && context != nullptr &&
                     EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, raw) == 1 &&
                     EVP_DigestVerify(context.get(), signature.data(), signature.size(), Raw(bytes),
                                      bytes.size()) == 1;
  EVP_PKEY_free(raw);
  return right;
}

void SigningKey::Free::operator()(evp_pkey_st* key) const {
  EVP_PKEY_free(key);
}

Result<SigningKey> SigningKey::Of(Key key) {
  PublicKey public_key{};
  size_t size = public_key.size();
  if (key == nullptr || EVP_PKEY_get_raw_public_key(key.get(), public_key.data(), &size) != 1 ||
      size != public_key.size()) {
    return Failed("make an Ed25519 key");
  }
  return SigningKey(std::move(key), public_key);
}

Result<SigningKey> SigningKey::Make() {
  return Of(Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")));
}

Result<SigningKey> SigningKey::FromSecret(std::span<const uint8_t, kSecretBytes> secret) {
  return Of(
      Key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, secret.data(), secret.size())));
}

Result<Signature> SigningKey::Sign(ConstBytes bytes) const {
  Signature signature{};
  size_t size = signature.size();
  const Context context(EVP_MD_CTX_new());
  if (context == nullptr ||
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, Raw(bytes), bytes.size()) != 1 ||
      size != signature.size()) {
    return Failed("sign");
  }
  return signature;
}

Result<std::array<uint8_t, SigningKey::kSecretBytes>> SigningKey::Secret() const {
  std::array<uint8_t, kSecretBytes> secret{};
  size_t size = secret.size();
  if (EVP_PKEY_get_raw_private_key(key_.get(), secret.data(), &size) != 1 ||
      size != secret.size()) {
    return Failed("give a key's secret");
  }
  return secret;
}

}  // namespace farlane::token
