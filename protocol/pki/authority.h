// SPDX-License-Identifier: Apache-2.0
// Authority is a pool's own certification authority: who trusts its certificate trusts the pool's
// managers and servers, and nobody else. It signs what it is told; who may ask is decided
// elsewhere.
#pragma once

#include <string>
#include <vector>

#include "protocol/base/result.h"
#include "protocol/pki/key_pair.h"

namespace farlane::pki {

// Thread: any; it does not change.
class Authority {
 public:
  static constexpr int kYears = 10;
  static constexpr int kDays = 90;  // of what it signs

  // What a certificate says of its owner.
  struct Subject {
    std::string uri;                 // "farlane:server:…"; empty: none
    std::vector<std::string> names;  // of hosts, or addresses in numbers
    int days = kDays;
  };

  // A new one, for a pool of this name.
  static Result<Authority> Make(const std::string& pool);
  // Of what `pair` has given.
  static Result<Authority> Of(KeyPair pair);

  // A certificate for whoever has made this request.
  Result<std::string> Sign(const std::string& request_pem, const Subject& subject) const;

  // A key with its certificate.
  Result<KeyPair> Issue(const Subject& subject) const;

  const KeyPair& pair() const { return pair_; }

  const std::string& certificate() const { return pair_.certificate; }

 private:
  explicit Authority(KeyPair pair) : pair_(std::move(pair)) {}

  KeyPair pair_;
};

}  // namespace farlane::pki
