// SPDX-License-Identifier: Apache-2.0
// Crypto is our own corner of OpenSSL: its configuration, its providers and its end are not those
// of the program that we may live in.
#pragma once

#include <string>

#include <openssl/evp.h>

#include "protocol/base/status.h"

namespace farlane::transport {

// Immutable; made once and never ended, since exit handlers of other libraries still call us.
struct Crypto {
  OSSL_LIB_CTX* library = nullptr;
  EVP_CIPHER* cipher = nullptr;  // AES-128-GCM

  static const Crypto& Get();
};

// The oldest error that OpenSSL remembers of this thread; forgets it and all others.
std::string TakeCryptoError();

// HKDF-Expand-Label of RFC 8446, section 7.1, without context and for no more than 32 bytes.
Status ExpandLabel(const uint8_t (&secret)[32], const char* label, uint8_t* out, size_t size);

}  // namespace farlane::transport
