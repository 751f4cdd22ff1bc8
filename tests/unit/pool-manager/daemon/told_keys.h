// SPDX-License-Identifier: Apache-2.0
// What a server that has just come knows of a manager's signing keys.
#pragma once

#include <string>

#include "pool-manager/daemon/signing_keys.h"

namespace farlane::pool {

// Whether servers that are told the keys of `keys` now believe the token `text`.
inline bool IsBelieved(const SigningKeys& keys, const std::string& text) {
  v1::ToServer::Keys told;
  keys.ListTo(&told);
  const token::ReadToken read = token::ParseToken(text).value();
  for (const v1::ToServer::Key& one : told.keys()) {
    token::PublicKey key{};
    one.public_key().copy(reinterpret_cast<char*>(key.data()), key.size());
    if (one.id() == read.token.key_id && read.IsSigned(key)) {
      return true;
    }
  }
  return false;
}

}  // namespace farlane::pool
