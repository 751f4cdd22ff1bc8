// SPDX-License-Identifier: Apache-2.0
// A private key (ECDSA over P-256) and what is said of its owner, as PEM; and the request for a
// certificate, which proves that whoever asks has the key.
#pragma once

#include <string>

#include "protocol/base/result.h"

namespace farlane::pki {

// Thread: caller's.
struct KeyPair {
  std::string key;          // PEM; whoever has it is its owner
  std::string certificate;  // PEM; empty: there is none yet
};

Result<KeyPair> MakeKey();

// A request (PKCS#10, PEM) for a certificate of this key.
Result<std::string> MakeRequest(const std::string& key_pem);

// The SHA-256 of a certificate, 64 hexadecimal digits: what it is recognized by. Of several in one
// text, of the first.
Result<std::string> PinOf(const std::string& certificate_pem);

// Seconds since 1970 after which it is worth nothing.
Result<int64_t> EndOf(const std::string& certificate_pem);

}  // namespace farlane::pki
