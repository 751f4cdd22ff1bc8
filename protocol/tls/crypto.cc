// SPDX-License-Identifier: Apache-2.0
#include "protocol/tls/crypto.h"

#include <cstring>

#include <openssl/crypto.h>
#include <openssl/err.h>

namespace farlane::transport {

const Crypto& Crypto::Get() {
  static const Crypto* const crypto = [] {
    auto* made = new Crypto();
    made->library = OSSL_LIB_CTX_new();
    made->cipher = EVP_CIPHER_fetch(made->library, "AES-128-GCM", nullptr);
    return made;
  }();
  return *crypto;
}

std::string TakeCryptoError() {
  const unsigned long error = ERR_get_error();
  const char* const reason = ERR_reason_error_string(error);
  ERR_clear_error();
  if (ERR_SYSTEM_ERROR(error)) {
    char text[128];
    return strerror_r(ERR_GET_REASON(error), text, sizeof text);
  }
  return reason != nullptr ? reason : "no reason is known";
}

Status ExpandLabel(const uint8_t (&secret)[32], const char* label, uint8_t* out, size_t size) {
  // length, "tls13 " + label, an empty context, and the number of the block: there is one.
  uint8_t info[64];
  const size_t label_bytes = strlen(label);
  size_t at = 0;
  info[at++] = 0;
  info[at++] = static_cast<uint8_t>(size);
  info[at++] = static_cast<uint8_t>(6 + label_bytes);
  memcpy(info + at, "tls13 ", 6);
  memcpy(info + at + 6, label, label_bytes);
  at += 6 + label_bytes;
  info[at++] = 0;
  info[at++] = 1;
  uint8_t block[32];
  size_t block_bytes = 0;
  if (EVP_Q_mac(Crypto::Get().library, "HMAC", nullptr, "SHA256", nullptr, secret, sizeof secret,
                info, at, block, sizeof block, &block_bytes) == nullptr ||
      block_bytes < size) {
    return Status(StatusCode::kInternal, "cannot derive a key: " + TakeCryptoError());
  }
  memcpy(out, block, size);
  OPENSSL_cleanse(block, sizeof block);
  return Status::Ok();
}

}  // namespace farlane::transport
